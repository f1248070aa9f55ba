# Judges what compare-speed has recorded (see there): prints a table of all operations and which of
# them became slower than -v instructions=PERCENT -v cpu=PERCENT allow. Ends with 1 if any did.

# Sorts list[1...count], whose length is odd, and returns what is in the middle.
function median(list, count,    i, j, moved) {
    for (i = 2; i <= count; i++) {
        moved = list[i]
        for (j = i - 1; j > 0 && list[j] > moved; j--) list[j + 1] = list[j]
        list[j + 1] = moved
    }
    return list[(count + 1) / 2]
}

function judge(what, name, ratio, limit) {
    if (ratio > 1 + limit / 100)
        slower = slower sprintf("%s: %+.2f %% %s, more than %s %%\n", name, (ratio - 1) * 100, what,
            limit)
}

function report_instructions(name,    a, b) {
    a = sum["A", name] / counted["A", name]
    b = sum["B", name] / counted["B", name]
    judge("instructions", name, b / a, instructions)
    printf "%-12s %9.1f %9.1f %8.4f", name, a, b, b / a
}

# The ratio is the median of each round's, not that of the medians: a round's two sides met the same
# load.
function report_time(name,    i, a, b, ratios, ratio) {
    for (i = 1; i <= rounds; i++) {
        a[i] = time["A", name, i] / timed["A", name, i]
        b[i] = time["B", name, i] / timed["B", name, i]
        ratios[i] = b[i] / a[i]
    }
    ratio = median(ratios, rounds)
    judge("CPU time", name, ratio, cpu)
    printf " | %9.1f %9.1f %6.3f  %.3f - %.3f", median(a, rounds), median(b, rounds), ratio,
        ratios[1], ratios[rounds]
}

/ warm-up / { next }
$1 == "instructions" {
    if ($2 == "A") names[++operations] = $3
    sum[$2, $3] = $4
    counted[$2, $3] = $5
}
$1 == "cpu" {
    timed[$3, $4, $2] += $5
    time[$3, $4, $2] += $6
    rounds = $2
}

END {
    if (!operations) exit 1
    printf "%-12s %28s", "operation", "instructions A, B, B/A"
    print rounds ? sprintf(" | %26s  least - greatest", "CPU time A, B (ns), B/A") : ""
    for (o = 1; o <= operations; o++) {
        report_instructions(names[o])
        if (rounds) report_time(names[o])
        print ""
    }
    if (!slower) exit 0
    printf "\n%s", slower
    exit 1
}
