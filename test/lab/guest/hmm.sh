#!/bin/sh
# In a guest of the machine hmm: loads the kernel's HMM test driver with its coherent devices, sets huge pages aside, and
# mounts a file system for DAX files that share extents at /mnt/dax.
set -e
for pages in /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages; do echo 8 > "$pages"; done
[ -e /dev/hmm_dmirror0 ] || modprobe test_hmm spm_addr_dev0=0x30000000 spm_addr_dev1=0x40000000
mountpoint -q /mnt/dax && exit 0
disk=$(bash "$(dirname "$0")/memory.sh" files)
mkdir -p /mnt/dax
mkfs.xfs -q -f -m reflink=1 "$disk"
mount -o dax=always "$disk" /mnt/dax
