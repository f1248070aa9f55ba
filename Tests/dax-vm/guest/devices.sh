# Namespaces, device-mapper targets, file systems and mounts.
# With FORMAT=1 the devices are empty and everything is created; later boots find the namespaces'
# info blocks and only mount. R0 to R9 are the region numbers of the devices in the order of DEVICES
# in host/media.py: QEMU numbers regions as its hash table pleases, but addresses ascend.

# Waits until a block or character device node is there.
await_node() {
    tries=0
    while [ ! -e "$1" ]; do
        tries=$((tries + 1))
        [ $tries -gt 200 ] && { echo "no $1"; return 1; }
        sleep 0.05
    done
}

create_namespace() { # region mode map alignment
    ndctl create-namespace -f -e "namespace$1.0" -m "$2" -M "$3" -a "$4" \
        >/tmp/ndctl.out 2>&1 </dev/null || { cat /tmp/ndctl.out; return 1; }
}

sectors() { cat "/sys/class/block/$1/size"; }

# A linear device-mapper device over two block devices; without udev the node is /dev/dm-N.
create_linear() { # name first second
    first=$(sectors "$2") second=$(sectors "$3")
    printf '0 %s linear /dev/%s 0\n%s %s linear /dev/%s 0\n' \
        "$first" "$2" "$first" "$second" "$3" |
        dmsetup create "$1" --noudevsync --noudevrules
}

# Mounts a DAX file system on a device, formatting it first when asked to.
mount_dax() { # device directory type
    mkdir -p "/mnt/$2"
    if [ "$FORMAT" = 1 ]; then
        case $3 in
        ext4) mkfs.ext4 -qF -b 4096 "$1" ;;
        xfs) mkfs.xfs -qf -m reflink=0 "$1" ;;
        esac </dev/null || return 1
    fi
    mount -t "$3" -o dax=always "$1" "/mnt/$2"
}

number_regions() {
    set -- $(for region in /sys/bus/nd/devices/region[0-9]*; do
        echo "$(cat "$region/resource") ${region##*/region}"
    done | sort | cut -d' ' -f2)
    R0=$1 R1=$2 R2=$3 R3=$4 R4=$5 R5=$6 R6=$7 R7=$8 R8=${9:-} R9=${10:-}
    DEVDAX_4K=/dev/dax$R2.0 DEVDAX_2M=/dev/dax$R3.0
    export DEVDAX_4K DEVDAX_2M R0 R1 R2 R3 R4 R5 R6 R7 R8 R9
}

format_namespaces() {
    create_namespace "$R0" fsdax mem 2M &&
        create_namespace "$R1" fsdax dev 2M &&
        create_namespace "$R2" devdax mem 4K &&
        create_namespace "$R3" devdax dev 2M &&
        create_namespace "$R4" fsdax mem 2M &&
        create_namespace "$R5" fsdax mem 2M &&
        create_namespace "$R6" fsdax mem 2M &&
        create_namespace "$R7" fsdax mem 2M
}

bring_up_devices() {
    for bus in /sys/bus/nd/devices/ndbus*/wait_probe; do cat "$bus" >/dev/null; done
    number_regions
    if [ "$FORMAT" = 1 ]; then
        format_namespaces || return 1
    fi
    for node in "/dev/pmem$R0" "/dev/pmem$R1" "$DEVDAX_4K" "$DEVDAX_2M" "/dev/pmem$R4" \
        "/dev/pmem$R5" "/dev/pmem$R6" "/dev/pmem$R7" /dev/vda; do
        await_node "$node" || return 1
    done
    mount_dax "/dev/pmem$R0" fsdax-mem ext4 || return 1
    mount_dax "/dev/pmem$R1" fsdax-dev ext4 || return 1
    mount_dax "/dev/pmem$R4" xfs-dax xfs || return 1
    create_linear sync "pmem$R5" "pmem$R6" || return 1
    mount_dax /dev/dm-0 dm-sync ext4 || return 1
    if [ "$VIRTIO" = 1 ]; then
        await_node "/dev/pmem$R8" && await_node "/dev/pmem$R9" || return 1
        create_linear mixed "pmem$R7" "pmem$R9" || return 1
        mount_dax /dev/dm-1 dm-mixed ext4 || return 1
        mount_dax "/dev/pmem$R8" virtio-pmem ext4 || return 1
    fi
    mkdir -p /mnt/disk-ext4 /mnt/tmpfs
    [ "$FORMAT" = 1 ] && { mkfs.ext4 -qF -b 4096 /dev/vda </dev/null || return 1; }
    mount -t ext4 /dev/vda /mnt/disk-ext4 || return 1
    mount -t tmpfs tmpfs /mnt/tmpfs
}
