# Places that keep nothing though they do not look like it, and their likes that do. Memory is hidden
# below an overlay, a loop device, a file system on a RAM disk or device-mapper; a pool there must be
# called what it is, and refused where durability is required.

durability() { # info or doctor output
    case $1 in
    *'"durable":true'*) echo lasting ;;
    *'"durable":false'*) echo volatile ;;
    *) echo unknown ;;
    esac
}

run_place() { # name directory lasting-or-volatile
    place=$1 pool=$2/pool
    check "$place" create pmemkv create "$pool" --size 4MiB
    same "$place" info "$3" "$(durability "$(pmemkv info "$pool" --json)")"
    same "$place" doctor "$3" "$(durability "$(pmemkv doctor "$pool" --json)")"
    if [ "$3" = lasting ]; then
        check "$place" required pmemkv put "$pool" key value --require durable
    else
        refuses "$place" required 'gone with the machine\|in DRAM' \
            pmemkv put "$pool" key value --require durable
        refuses "$place" force 'not known to be durable' \
            pmemkv create "$pool" --force --size 4MiB --require durable
        check "$place" kept pmemkv check "$pool"
    fi
    rm -f "$pool"
    echo "@end $place"
}

mount_overlay() { # directory of the layers, mount point
    mkdir -p "$1/lower" "$1/upper" "$1/work" "$2"
    mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$2"
}

mount_ext4() { # device directory
    mkdir -p "$2"
    mkfs.ext4 -qF "$1" </dev/null && mount -t ext4 "$1" "$2"
}

mount_loop() { # device file directory
    truncate -s 16M "$2" && losetup "$1" "$2" && mount_ext4 "$1" "$3"
}

make_places() {
    mkdir -p /mnt/ramfs &&
        mount -t ramfs ramfs /mnt/ramfs &&
        mount_overlay /mnt/tmpfs/layers /mnt/overlay-tmpfs &&
        mount_overlay /root/layers /mnt/overlay-initramfs &&
        mount_overlay /mnt/disk-ext4/layers /mnt/overlay-disk &&
        mount_loop /dev/loop0 /mnt/tmpfs/image /mnt/loop-tmpfs &&
        mount_loop /dev/loop1 /mnt/overlay-tmpfs/image /mnt/loop-overlay &&
        mount_loop /dev/loop2 /mnt/disk-ext4/image /mnt/loop-disk &&
        mount_ext4 /dev/ram0 /mnt/ram-disk &&
        echo 32M >/sys/block/zram0/disksize &&
        mount_ext4 /dev/zram0 /mnt/zram &&
        create_linear memory ram1 ram2 &&
        mount_ext4 "/dev/dm-$(dmsetup info -c --noheadings -o minor memory)" /mnt/dm-memory
}

run_places() {
    make_places || { fail places make "could not be made"; return; }
    run_place initramfs /root volatile
    for name in ramfs overlay-tmpfs overlay-initramfs loop-tmpfs loop-overlay ram-disk zram dm-memory
    do
        run_place $name /mnt/$name volatile
    done
    run_place overlay-disk /mnt/overlay-disk lasting
    run_place loop-disk /mnt/loop-disk lasting
}
