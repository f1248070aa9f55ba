# The store's suite on one medium. Called by the job once for each medium.

# create, info, doctor, workload, dump and load, syscalls path, refusals, full pool
run_suite() { # medium pool size-or-empty synchronous
    medium=$1 pool=$2 size=$3 synchronous=$4
    # A device may hold the pool of an earlier part.
    [ -n "$size" ] || set -- --force
    [ -n "$size" ] && set -- --size "$size"
    check "$medium" create pmemkv create "$pool" "$@"
    echo "@info $medium $(pmemkv info "$pool" --json | tr -d '\n')"
    echo "@doctor $medium $(pmemkv doctor "$pool" --json | tr -d '\n')"
    pmemkv-torture suite medium="$medium" pool="$pool" operations=300 seed=7
    check "$medium" check pmemkv check "$pool"
    check "$medium" dump-load dump_and_load "$medium" "$pool"
    if [ -z "$size" ]; then
        refuses "$medium" syscalls-refused 'devdax\|read(2)\|device' \
            pmemkv put "$pool" key value --io syscalls
    else
        check "$medium" syscalls-create pmemkv create "$pool.sys" --size "$size" --io syscalls
        pmemkv-torture suite medium="$medium" pool="$pool.sys" operations=120 seed=8 io=syscalls |
            sed 's/^\(@[a-z]* [^ ]* \)/\1syscalls-/'
        rm -f "$pool.sys"
    fi
    if [ "$synchronous" = 1 ]; then
        check "$medium" sync-dax-accepted pmemkv put "$pool" key value --require sync-dax
    else
        refuses "$medium" sync-dax-refused . pmemkv put "$pool" key value --require sync-dax
    fi
    pmemkv-torture suite medium="$medium" pool="$pool" part=full
    check "$medium" check-full pmemkv check "$pool"
}

# A dump loaded into another pool must dump to the same text.
dump_and_load() { # medium pool
    copy=/mnt/tmpfs/$1.copy
    pmemkv dump "$2" >"/tmp/$1.dump" &&
        pmemkv create "$copy" --size 32MiB &&
        pmemkv load "$copy" <"/tmp/$1.dump" &&
        pmemkv dump "$copy" >"/tmp/$1.again" &&
        cmp "/tmp/$1.dump" "/tmp/$1.again" &&
        [ "$(wc -l <"/tmp/$1.dump")" -gt 50 ]
    code=$?
    rm -f "$copy" "/tmp/$1.dump" "/tmp/$1.again"
    return $code
}

# A command must fail with a message that matches a pattern.
refuses() { # medium test pattern command...
    refused_m=$1 refused_t=$2 pattern=$3
    shift 3
    if "$@" >"/tmp/refused.$refused_m" 2>&1; then
        fail "$refused_m" "$refused_t" "succeeded"
    elif grep -q "$pattern" "/tmp/refused.$refused_m"; then
        pass "$refused_m" "$refused_t"
    else
        fail "$refused_m" "$refused_t" "$(cat "/tmp/refused.$refused_m")"
    fi
}

TRACING=/sys/kernel/tracing
DURABLE_CALLS='msync fsync fdatasync sync_file_range pwritev2'

# Runs a command and leaves the durability system calls it and its threads made in the trace.
traced() {
    echo 0 >$TRACING/tracing_on
    echo >$TRACING/trace
    echo 1 >$TRACING/options/event-fork
    for call in $DURABLE_CALLS; do echo 1 >$TRACING/events/syscalls/sys_enter_$call/enable; done
    echo 1 >$TRACING/tracing_on
    sh -c 'echo $$ >/sys/kernel/tracing/set_event_pid; exec "$@"' traced "$@"
    echo 0 >$TRACING/tracing_on
}

calls() { grep -c "sys_$1(" $TRACING/trace; }

# Synchronous media make no durability call for puts; the others make some, and threads share them.
count_durability_calls() { # medium pool synchronous
    medium=$1 pool=$2 synchronous=$3
    traced pmemkv-torture puts medium="$medium" pool="$pool" count=100
    alone=$(calls msync)
    traced pmemkv-torture threads medium="$medium" pool="$pool" threads=8 count=40
    shared=$(calls msync)
    if [ "$synchronous" = 1 ]; then
        same "$medium" no-msync "0 0" "$alone $shared"
        return
    fi
    if [ "$alone" -ge 100 ]; then
        pass "$medium" msync-each-put
    else
        fail "$medium" msync-each-put "$alone calls of msync for 100 puts"
    fi
    # 320 puts by eight threads. On tmpfs msync returns at once, so that there is nobody to join.
    if [ "$medium" = tmpfs ]; then
        :
    elif [ "$shared" -gt 0 ] && [ "$shared" -lt 240 ]; then
        pass "$medium" group-commit
    else
        fail "$medium" group-commit "$shared calls of msync for 320 puts of 8 threads"
    fi
}
