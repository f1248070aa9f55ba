# What quickstart and test share: steps, Debian packages, the Swift toolchain. Sourced by bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# step TEXT: announces what comes next.
step() {
    printf '\n== %s\n' "$*"
}

# fail TEXT: ends with a message.
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# as_root COMMAND...: runs a command with the rights that installing takes.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root, and there is no sudo; as root: $*"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need_packages NAME...: installs the Debian packages that are missing.
need_packages() {
    command -v dpkg-query >/dev/null ||
        fail "this is no Debian system; install the equivalents of: $*"
    local missing=() name
    for name in "$@"; do
        is_installed "$name" || missing+=("$name")
    done
    if [ ${#missing[@]} = 0 ]; then
        echo "nothing to install: $*"
        return
    fi
    echo "installing ${missing[*]}"
    fetch_package_lists
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        -o DPkg::Lock::Timeout=$apt_patience --no-install-recommends "${missing[@]}" >/dev/null
}

# Seconds to wait for another apt or dpkg that is at work.
apt_patience=120

# fetch_package_lists: apt-get update. apt waits for dpkg's lock when told to, for that of the lists
# never; so this tries again while another holds it.
fetch_package_lists() {
    local waited=0 errors
    until errors=$(as_root env LC_ALL=C apt-get update -qq 2>&1); do
        [[ $errors == *"Could not get lock"* ]] || fail "apt-get update: $errors"
        [ $waited -lt $apt_patience ] ||
            fail "another apt is at work for more than $apt_patience s: $errors"
        [ $waited != 0 ] || echo "waiting for another apt to end"
        sleep 5
        waited=$((waited + 5))
    done
}

# need_swift: the toolchain is the one thing that is not installed here.
need_swift() {
    command -v swift >/dev/null ||
        fail "there is no 'swift' in PATH; get Swift 6.3 or later for Debian 12 from" \
            "https://www.swift.org/install/linux/"
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -1)
    [ "$(printf '%s\n' 6.2 "$version" | sort -V | head -1)" = 6.2 ] ||
        fail "Swift $version is too old: 6.2 is the oldest that can build this, 6.3 is tested;" \
            "https://www.swift.org/install/linux/"
    echo "Swift $version"
}

# forget_plan FOLDER: has the next build there look for the sources anew. Where a manifest is not
# taken from the cache, the plan of an earlier build wants files that have been removed since.
forget_plan() { rm -f "$1"/*.yaml "$1"/*/release/description.json; }
