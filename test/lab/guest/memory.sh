#!/bin/bash
# In a guest: makes memory of what the machine has beside DRAM. Prints a line for each.
#   memory.sh files [MIB]    the first part of the NVDIMM for files:    /dev/pmemN
#   memory.sh kmem [MIB]     the next part of the NVDIMM as a node:     node of the NVDIMM
#   memory.sh cxl            the volatile CXL device as a node, the persistent one as a region
set -euo pipefail
# The bus of the NVDIMM: numbers of regions depend on which driver was first, the provider does not.
nvdimm_bus() {
  local bus
  for bus in /sys/bus/nd/devices/ndbus*; do
    [ "$(cat "$bus/provider" 2>/dev/null)" = ACPI.NFIT ] && readlink -f "$bus" && return
  done
  echo "there is no NVDIMM" >&2
  return 1
}
nvdimm_region() {
  local bus region dimm
  bus=$(nvdimm_bus)
  region=$(basename "$bus"/region*) dimm=$(basename "$bus"/nmem*)
  # Fresh labels, once: an emulated NVDIMM comes without.
  if [ ! -e /run/nvdimm-labelled ]; then
    ndctl disable-region "$region" && ndctl zero-labels "$dimm" && ndctl init-labels -f "$dimm" && ndctl enable-region "$region"
    touch /run/nvdimm-labelled
  fi >/dev/null 2>&1
  echo "$region"
}
# What becomes a node is offline first: daxctl wants to bring it online itself.
keep_offline() { echo offline > /sys/devices/system/memory/auto_online_blocks; }

case ${1:-} in
files)
  region=$(nvdimm_region)
  ndctl create-namespace -r "$region" -m fsdax -s "${2:-400}M" -M dev | sed -n 's/.*"blockdev":"\(.*\)".*/\/dev\/\1/p'
  ;;
kmem)
  keep_offline
  region=$(nvdimm_region)
  device=$(ndctl create-namespace -r "$region" -m devdax -s "${2:-384}M" -M dev | sed -n 's/.*"chardev":"\(dax[0-9.]*\)".*/\1/p' | head -1)
  daxctl reconfigure-device -m system-ram "$device" >/dev/null 2>&1
  echo "$device node $(cat "/sys/bus/dax/devices/$device/target_node")"
  ;;
cxl)
  keep_offline
  cd /sys/bus/cxl/devices
  # Endpoints come up after the devices.
  for _ in $(seq 50); do [ "$(ls -d endpoint* 2>/dev/null | wc -l)" = "$(ls -d mem* | wc -l)" ] && break; sleep 0.2; done
  for endpoint in endpoint*; do
    memory=$(basename "$(readlink -f "$endpoint/uport")") decoder=$(basename "$endpoint"/decoder*.0)
    kind=ram; [ "$(cat "$memory/ram/size")" = 0x0 ] && kind=pmem
    size=$(cat "$memory/$kind/size") region=$(cat "decoder0.0/create_${kind}_region")
    echo "$region" > "decoder0.0/create_${kind}_region"
    [ "$kind" = pmem ] && cat /proc/sys/kernel/random/uuid > "$region/uuid"
    echo 256 > "$region/interleave_granularity"; echo 1 > "$region/interleave_ways"
    echo "$kind" > "$decoder/mode"; echo "$size" > "$decoder/dpa_size"; echo "$size" > "$region/size"
    echo "$decoder" > "$region/target0"; echo 1 > "$region/commit"
    echo "$region" > /sys/bus/cxl/drivers/cxl_region/bind
    echo "$region $kind of $memory"
  done
  for _ in $(seq 25); do ls -d /sys/bus/dax/devices/dax* >/dev/null 2>&1 && break; sleep 0.2; done
  for device in /sys/bus/dax/devices/dax*; do
    [ "$(basename "$(readlink -f "$device/driver")")" = kmem ] || continue
    daxctl online-memory "$(basename "$device")" >/dev/null 2>&1 || true
    echo "$(basename "$device") node $(cat "$device/target_node")"
  done
  ;;
*) echo "memory.sh: what is '${1:-}'?" >&2; exit 2 ;;
esac
