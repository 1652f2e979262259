import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LabMachine } from "./machine.ts";

/** MiB of the labels of a persistent CXL device. */
const LABELS_MIB = 1;
/** What an NVDIMM keeps of itself for labels, KiB. */
const NVDIMM_LABELS_KIB = 128;

/** Arguments for QEMU that make a machine. Files that stand for persistent memory are made in `folder`, sparse. */
export function machineArguments(machine: LabMachine, folder: string): string[] {
  const total = machine.domains.reduce((sum, { memoryMib }) => sum + memoryMib, 0);
  // With HMAT, NFIT, CEDT and HPET together, SeaBIOS 1.16 drops all tables of QEMU's without a word.
  const cxl = machine.cxl.length > 0 ? ",cxl=on,hpet=off" : "";
  const cpus = machine.domains.flatMap((domain) => domain.cpus);
  return [
    ...["-machine", `q35,hmat=on,nvdimm=on,nvdimm-persistence=mem-ctrl${cxl}`],
    ...["-smp", `${cpus.length},sockets=${cpus.length},cores=1,threads=1`],
    ...["-m", `${total}M,slots=8,maxmem=16G`],
    ...domainArguments(machine),
    ...tableArguments(machine),
    ...nvdimmArguments(machine, folder),
    ...cxlArguments(machine, folder),
  ];
}

function domainArguments({ domains, attached }: LabMachine): string[] {
  const made: string[] = [];
  for (const { domain, memoryMib, cpus, role } of domains) {
    const initiator = attached.get(domain);
    const tail = initiator === undefined ? "" : `,initiator=${initiator}`;
    if (memoryMib > 0) {
      made.push("-object", `memory-backend-ram,id=m${domain},size=${memoryMib}M`);
      made.push("-numa", `node,nodeid=${domain},memdev=m${domain}${tail}`);
    } else {
      made.push("-numa", `node,nodeid=${domain}${tail}`);
    }
    for (const cpu of cpus) made.push("-numa", `cpu,node-id=${domain},socket-id=${cpu}`);
    if (role === "initiator") {
      made.push("-device", `pci-testdev,id=accelerator${domain},bus=pcie.0`);
      made.push(
        "-object",
        `acpi-generic-initiator,id=initiator${domain},pci-dev=accelerator${domain},node=${domain}`,
      );
    } else if (role === "port") {
      made.push("-object", `acpi-generic-port,id=port${domain},pci-bus=cxl.1,node=${domain}`);
    }
  }
  return made;
}

function tableArguments({ distances, performance, cache }: LabMachine): string[] {
  const made: string[] = [];
  for (const { from, to, value } of distances) made.push("-numa", `dist,src=${from},dst=${to},val=${value}`);
  for (const one of performance) {
    const pair = `hmat-lb,initiator=${one.initiator},target=${one.target},hierarchy=memory`;
    made.push("-numa", `${pair},data-type=read-latency,latency=${one.readLatencyNs}`);
    made.push("-numa", `${pair},data-type=write-latency,latency=${one.writeLatencyNs}`);
    made.push("-numa", `${pair},data-type=read-bandwidth,bandwidth=${one.readMBps}M`);
    made.push("-numa", `${pair},data-type=write-bandwidth,bandwidth=${one.writeMBps}M`);
  }
  const { domain, mib, lineBytes } = cache;
  const how = `level=1,associativity=direct,policy=write-back,line=${lineBytes}`;
  made.push("-numa", `hmat-cache,node-id=${domain},size=${mib}M,${how}`);
  return made;
}

function nvdimmArguments({ domains, nvdimmMib }: LabMachine, folder: string): string[] {
  const home = domains.find(({ role }) => role === "nvdimm");
  if (home === undefined) return [];
  const path = sparse(folder, "nvdimm", nvdimmMib);
  return [
    "-object",
    `memory-backend-file,id=nvdimm-memory,share=on,mem-path=${path},size=${nvdimmMib}M,align=2M`,
    "-device",
    `nvdimm,id=nvdimm,memdev=nvdimm-memory,label-size=${NVDIMM_LABELS_KIB}K,node=${home.domain}`,
  ];
}

function cxlArguments({ cxl }: LabMachine, folder: string): string[] {
  if (cxl.length === 0) return [];
  const made = ["-device", "pxb-cxl,bus_nr=12,bus=pcie.0,id=cxl.1"];
  for (const [index, { id, kind, memoryMib, serial }] of cxl.entries()) {
    const labels = sparse(folder, `${id}-labels`, LABELS_MIB);
    made.push("-object", `memory-backend-file,id=${id}-lsa,share=on,mem-path=${labels},size=${LABELS_MIB}M`);
    const memory =
      kind === "ram"
        ? `memory-backend-ram,id=${id}-memory,share=on,size=${memoryMib}M`
        : `memory-backend-file,id=${id}-memory,share=on,mem-path=${sparse(folder, id, memoryMib)},size=${memoryMib}M`;
    made.push("-object", memory);
    made.push("-device", `cxl-rp,port=${index},bus=cxl.1,id=rp${index},chassis=0,slot=${index + 2}`);
    const holds = `${kind === "ram" ? "volatile" : "persistent"}-memdev=${id}-memory`;
    made.push("-device", `cxl-type3,bus=rp${index},${holds},lsa=${id}-lsa,id=${id},sn=${serial}`);
  }
  made.push("-M", "cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G");
  return made;
}

function sparse(folder: string, name: string, mib: number): string {
  const path = join(folder, `${name}.img`);
  writeFileSync(path, "");
  truncateSync(path, mib * 2 ** 20);
  return path;
}
