/**
 * What a card in a reader needs of a machine, one probe for each: whether it is there, what was found, and the command that
 * mends it. A probe changes nothing, not even in a reader: whoever connects to a virtual reader would be a card in it.
 */

import { UDEV_RULE } from "../transports/hid-errors.js";
import type { Machine, ProgramRun } from "./card-machine.js";
import { VPCD_PACKAGE, vpcdDriver, vpcdPorts } from "./card-vpcd.js";

export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** Without it no card of `tally card start` gets to a host over PC/SC. */
  readonly needed: boolean;
  /** What is there, or what is not. */
  readonly found: string;
  /** The command, or the step, that mends it. */
  readonly mend?: string;
}

type Probe = (machine: Machine) => Finding | Promise<Finding>;

const PCSCD_SOCKET = "/run/pcscd/pcscd.comm";
const CCID_DRIVER = "/usr/lib/pcsc/drivers/ifd-ccid.bundle";
/** State of a socket that listens, in /proc/net/tcp. */
const TCP_LISTEN = "0A";
const LIST_READERS = `
const readers = [];
const end = () => { console.log(JSON.stringify(readers)); process.exit(0); };
const pcsc = require(process.argv[1])();
pcsc.on("error", end);
pcsc.on("reader", (reader) => {
  const seen = { name: reader.name, card: null };
  readers.push(seen);
  reader.on("error", () => {});
  reader.on("status", ({ atr }) => { seen.card = atr && atr.length > 0 ? atr.toString("hex") : null; });
});
setTimeout(end, 1000);`;

const UDEV_FILE = "/etc/udev/rules.d/70-tallystick.rules";

export const PROBES: readonly Probe[] = [
  pcscdInstalled,
  pcscdReachable,
  vpcdInstalled,
  vpcdConfigured,
  vpcdListening,
  vpcdSpeed,
  pcsclitePackage,
  readersSeen,
  ccidDriver,
  hidPackage,
  hidDevices,
  uhidDevice,
  ...["opensc-tool", "pcsc_scan", "scriptor"].map((name) => (machine: Machine) => tool(machine, name)),
];

function pcscdInstalled(machine: Machine): Finding {
  const path = machine.program("pcscd");
  if (path === undefined) return missing("pcscd", "it is not installed", "apt-get install pcscd");
  return there("pcscd", path);
}

/** Where systemd holds the socket, asking is what starts pcscd. */
async function pcscdReachable(machine: Machine): Promise<Finding> {
  const name = "pcscd's socket";
  const code = await machine.refusal(PCSCD_SOCKET);
  if (code === undefined) return there(name, `${PCSCD_SOCKET} answers`);
  if (code === "EACCES" || code === "EPERM") {
    return missing(name, "this user may not use it", "sudo usermod --append --groups pcscd $USER, or run it as root");
  }
  const start = machine.exists("/run/systemd/system") ? "systemctl enable --now pcscd.socket" : "pcscd (as root)";
  return missing(
    name,
    `nobody answers at ${PCSCD_SOCKET} (${code}): pcscd does not run`,
    `${start}, or: tally card lab`,
  );
}

function vpcdInstalled(machine: Machine): Finding {
  const path = vpcdDriver(machine);
  if (path === undefined) {
    return missing("vpcd's driver", "libifdvpcd.so is not installed", `apt-get install ${VPCD_PACKAGE}`);
  }
  return there("vpcd's driver", path);
}

function vpcdConfigured(machine: Machine): Finding {
  const name = "virtual readers, configured";
  const ports = vpcdPorts(machine);
  if (ports.length > 0) return there(name, `at ports ${ports.join(", ")}`);
  const mend = `apt-get install --reinstall ${VPCD_PACKAGE}, which brings /etc/reader.conf.d/vpcd; then pcscd --hotplug`;
  return missing(name, "no file of /etc/reader.conf.d has an entry for vpcd", mend);
}

/** By what the system says of its sockets. */
function vpcdListening(machine: Machine): Finding {
  const name = "virtual readers, listening";
  const listening = listeningPorts(machine);
  const ports = vpcdPorts(machine).filter((port) => listening.has(port));
  if (ports.length > 0) return there(name, `at ports ${ports.join(", ")}`);
  const restart = machine.exists("/run/systemd/system") ? "systemctl restart pcscd" : "start pcscd anew, as root";
  return missing(name, "none listens: pcscd has not opened them", `${restart}, or: tally card lab`);
}

function listeningPorts(machine: Machine): ReadonlySet<number> {
  const lines = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) => (machine.read(path) ?? "").split("\n"));
  const ports = lines.flatMap((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return state === TCP_LISTEN && local !== undefined ? [Number.parseInt(local.split(":")[1] ?? "", 16)] : [];
  });
  return new Set(ports);
}

/** vpcd writes a message in two pieces and waits between them for an acknowledgement, which the loopback gives late, but for this route. */
async function vpcdSpeed(machine: Machine): Promise<Finding> {
  const name = "virtual readers, speed";
  const ip = machine.program("ip");
  const shown = ip === undefined ? undefined : await machine.run(ip, ["route", "show", "table", "local", "127.0.0.1"]);
  if (shown !== undefined && /\bquickack 1\b/.test(shown.out))
    return optional(name, "acknowledged at once: thousands of commands a second");
  const mend =
    "tally card lab, whose loopback is fast; or as root, for the whole machine: " +
    "ip route change table local local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 quickack 1";
  return optionalMissing(name, "vpcd answers some 20 commands a second: it waits for late acknowledgements", mend);
}

async function pcsclitePackage(machine: Machine): Promise<Finding> {
  const name = "npm package pcsclite";
  const file = machine.packageFile("pcsclite");
  const build = "apt-get install libpcsclite-dev build-essential python3, then: npm ci";
  if (file === undefined) return missing(name, "it is not installed: what it is built with was not there", build);
  const loaded = await loads(file, machine);
  if (loaded.code === 0) return there(name, file);
  if (/libpcsclite\.so/.test(loaded.err))
    return missing(name, "libpcsclite1 is not there", "apt-get install libpcsclite1");
  return missing(
    name,
    `it was not built for this Node (${reasonOf(loaded)})`,
    `${build.split(",")[0]}, then: npm rebuild pcsclite`,
  );
}

async function readersSeen(machine: Machine): Promise<Finding> {
  const name = "readers and cards";
  const file = machine.packageFile("pcsclite");
  if (file === undefined) return optionalMissing(name, "nobody can ask without the npm package pcsclite");
  const { code, out } = await machine.run(process.execPath, ["--eval", LIST_READERS, file]);
  const readers = code === 0 ? readersOf(out) : undefined;
  if (readers === undefined) return optionalMissing(name, "pcscd does not say");
  if (readers.length === 0) return optionalMissing(name, "there is no reader");
  const said = readers.map(({ name: reader, card }) => `${reader}: ${card === null ? "empty" : `card ${card}`}`);
  return optional(name, said.join("; "));
}

function readersOf(text: string): { name: string; card: string | null }[] | undefined {
  try {
    return JSON.parse(text.trim().split("\n").at(-1) ?? "") as { name: string; card: string | null }[];
  } catch {
    return undefined;
  }
}

function ccidDriver(machine: Machine): Finding {
  const name = "driver of real readers";
  if (machine.exists(CCID_DRIVER)) return optional(name, CCID_DRIVER);
  return optionalMissing(name, "ccid is not installed", "apt-get install libccid");
}

async function hidPackage(machine: Machine): Promise<Finding> {
  const name = "npm package node-hid";
  const file = machine.packageFile("node-hid");
  if (file === undefined) return optionalMissing(name, "it is not installed", "npm ci");
  const loaded = await loads(file, machine);
  if (loaded.code === 0) return optional(name, file);
  if (/lib(usb|udev)/.test(loaded.err)) {
    return optionalMissing(name, "libusb or libudev is not there", "apt-get install libusb-1.0-0 libudev1");
  }
  return optionalMissing(name, `it does not load (${reasonOf(loaded)})`, "npm rebuild node-hid");
}

function hidDevices(machine: Machine): Finding {
  const name = "USB HID devices";
  const devices = machine.list("/dev").filter((each) => each.startsWith("hidraw"));
  const closed = devices.filter((each) => !machine.mayUse(`/dev/${each}`));
  if (devices.length === 0) return optional(name, "there is none");
  if (closed.length === 0) return optional(name, devices.join(", "));
  const mend = `as root, for devices of this sort: echo '${UDEV_RULE}' > ${UDEV_FILE}; udevadm control --reload; udevadm trigger`;
  return optionalMissing(name, `this user may not use ${closed.join(", ")}`, mend);
}

function uhidDevice(machine: Machine): Finding {
  const name = "simulated USB devices";
  if (!machine.exists("/dev/uhid"))
    return optionalMissing(name, "there is no /dev/uhid", "modprobe -a uhid hid-generic (as root)");
  if (machine.mayUse("/dev/uhid")) return optional(name, "/dev/uhid");
  return optionalMissing(name, "this user may not use /dev/uhid", "setfacl --modify user:$USER:rw /dev/uhid (as root)");
}

const TOOL_PACKAGES: Readonly<Record<string, string>> = { "opensc-tool": "opensc" };

export function tool(machine: Machine, name: string): Finding {
  const path = machine.program(name);
  if (path !== undefined) return optional(name, path);
  return optionalMissing(name, "it is not installed", `apt-get install ${TOOL_PACKAGES[name] ?? "pcsc-tools"}`);
}

/** Whether Node can load a file of a package, tried in a process of its own: what is broken may break the process. */
function loads(file: string, machine: Machine): Promise<ProgramRun> {
  return machine.run(process.execPath, ["--eval", "require(process.argv[1]); process.exit(0)", file]);
}

/** The line of a failure that says why. */
function reasonOf({ err }: ProgramRun): string {
  return err.split("\n").find((line) => /Error/.test(line)) ?? "it does not end";
}

function there(name: string, found: string): Finding {
  return { name, ok: true, needed: true, found };
}

function missing(name: string, found: string, mend: string): Finding {
  return { name, ok: false, needed: true, found, mend };
}

function optional(name: string, found: string): Finding {
  return { name, ok: true, needed: false, found };
}

function optionalMissing(name: string, found: string, mend?: string): Finding {
  return { name, ok: false, needed: false, found, ...(mend === undefined ? {} : { mend }) };
}
