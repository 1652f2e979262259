#!/bin/sh
# The guest's first program: mounts the root of the machine that boots it (read-only, with a layer in memory on top),
# and runs /lab/payload.sh in it as root. What that writes goes to the port "lab.out"; its exit code to /lab/exit.
export PATH=/bin
/bin/busybox mount -t proc proc /proc && /bin/busybox --install -s /bin
mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
nine() { mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,$3 "$1" "$2"; }
end() {
  [ -d /lab ] && echo "$1" > /lab/exit && dmesg > /lab/dmesg
  sync; umount /lab
  poweroff -f
}
nine lab /lab cache=none || { echo "lab: no shared folder"; poweroff -f; }
nine root /host cache=loose,ro || end 201
mount -t tmpfs -o size=50% tmpfs /over && mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work overlay /root || end 202
for folder in proc sys dev run lab tmp; do mkdir -p "/root/$folder"; done
mount --bind /lab /root/lab
mount -t proc proc /root/proc; mount -t sysfs sysfs /root/sys; mount --bind /dev /root/dev
mkdir -p /root/dev/pts /root/dev/shm
mount -t devpts devpts /root/dev/pts; mount -t tmpfs tmpfs /root/dev/shm; mount -t tmpfs tmpfs /root/run
mount -t tmpfs -o mode=1777 tmpfs /root/tmp
mount -t debugfs debugfs /root/sys/kernel/debug; mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
# What the memory over /tmp hides, if the checkout or its tools are there.
while read -r path; do
  [ -e "/root$path" ] && continue
  mkdir -p "/root$path" && mount --bind "/host$path" "/root$path"
done < /lab/paths
# The guest's kernel is not the machine's: neither are its modules.
mkdir -p /root/lib/modules && mount --bind "/host$(cat /lab/modules)" /root/lib/modules
port=
for one in /sys/class/virtio-ports/*; do [ "$(cat "$one/name")" = lab.out ] && port=/dev/${one##*/}; done
ip link set lo up
chroot /root /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 \
  /bin/sh /lab/payload.sh > "$port" 2>&1 < /dev/null
end $?
