# What jobs use to report and to talk to the host.

pass() { echo "@pass $1 $2"; }                    # medium test
fail() { m=$1 t=$2; shift 2; echo "@fail $m $t $*"; }

# Reports one check: the command succeeds, or its output is the detail of the failure.
check() { # medium test command...
    m=$1 t=$2
    shift 2
    if "$@" >/tmp/check.out 2>&1; then
        echo "@pass $m $t"
    else
        code=$?
        echo "@fail $m $t exit $code: $(tr '\n' ' ' </tmp/check.out | tail -c 400)"
    fi
}

# Reports whether two strings are the same.
same() { # medium test expected actual
    if [ "$3" = "$4" ]; then echo "@pass $1 $2"; else echo "@fail $1 $2 expected '$3', got '$4'"; fi
}

# Stops until the host has answered.
wait_for_host() {
    echo "@wait $1"
    read -r answer </dev/ttyS1
}
