# What compare-speed and check-instructions share: building the program of Benchmarks/HotPath and
# counting its instructions. Sourced by bash, behind common.sh.

hot_path_package=Benchmarks/HotPath
# Programs and what they are built in.
hot_path_builds=$root/.build-compare

# prepare_hot_path: installs what building and counting takes, and sets up the environment. The
# pools lie in memory and are flushed and fenced all the same. Deterministic hashing is Swift's: its
# sets and dictionaries would make counts differ from run to run.
prepare_hot_path() {
    need_packages libpmem-dev zlib1g-dev pkg-config git ca-certificates valgrind binutils util-linux
    need_swift
    export PMEM_IS_PMEM_FORCE=1 SWIFT_DETERMINISTIC_HASHING=1
    # The last processor that this may run on: work that is shared among processors would be shared
    # differently each time.
    hot_path_core=$(taskset -cp $$ | sed 's/.*[^0-9]//')
}

# build_hot_path NAME SOURCE PROGRAM: builds it against the store's sources, in a folder of that
# name.
build_hot_path() {
    # The manifest reads PMEMKV_SOURCE, so it must not come from a cache.
    local command=(env PMEMKV_SOURCE="$2" swift build -c release --package-path "$hot_path_package"
        --scratch-path "$hot_path_builds/$1" --manifest-cache none)
    forget_plan "$hot_path_builds/$1"
    "${command[@]}"
    # Valgrind gives up on this compiler's debug information.
    strip -g -o "$3" "$("${command[@]}" --show-bin-path)/hot-path"
}

# count_instructions PROGRAM POOL OUT [OPERATION ...]: prints a line for each operation, its name,
# the instructions of all of them and how many there were. Callgrind's files are OUT.*. Of the main
# thread: others, which only prepare pages, run when they like.
count_instructions() {
    local program=$1 pool=$2 out=$3
    shift 3
    taskset -c "$hot_path_core" valgrind -q --tool=callgrind --instr-atstart=no \
        --separate-threads=yes --callgrind-out-file="$out" "$program" "$pool" 32768 "$@" \
        </dev/null >"$out.counts"
    awk '
        FILENAME ~ /\.counts$/ && $1 != "warm-up" {
            if (!($1 in counted)) names[++operations] = $1
            counted[$1] += $2
        }
        /^desc: Trigger: Client Request: / { name = $NF }
        /^totals: / { sum[name] += $2 }
        END {
            for (o = 1; o <= operations; o++) print names[o], sum[names[o]], counted[names[o]]
        }
    ' "$out.counts" "$out".*-01
}
