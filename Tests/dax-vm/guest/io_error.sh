# A disk that starts to fail and is mended: device-mapper's linear target, swapped for `error`.
# usage: io_error.sh setup|break|mend
# After `mend` the file system is mounted anew: its journal was aborted by the errors.
set -e
length=$(cat /sys/class/block/vda/size)

table() { # target line
    dmsetup suspend --noudevsync --noflush failing
    echo "0 $length $1" | dmsetup load failing
    dmsetup resume --noudevsync failing
}

case $1 in
setup)
    umount /mnt/disk-ext4
    echo "0 $length linear /dev/vda 0" | dmsetup create failing --noudevsync --noudevrules
    ;;
break) table error ;;
mend)
    table "linear /dev/vda 0"
    umount /mnt/disk-ext4
    ;;
esac
if [ "$1" != break ]; then
    minor=$(dmsetup info -c --noheadings -o minor failing)
    mount -t ext4 "/dev/dm-$minor" /mnt/disk-ext4
fi
