# What an init does after a power cut. The disk's writes are recorded: the power may go once more.
mount -t ext4 -o noinit_itable /dev/vda /data || exit 1
export MYDOCKER_ROOT=/data/store MYDOCKER_RUN=/run/mydocker
mydocker boot || exit 2
mydocker ps -a
mydocker system check --repair
[ $? -le 1 ] || exit 3
