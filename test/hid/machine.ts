/** The guest: kernel, modules and busybox out of Debian's packages, an initial file system, and QEMU's parameters. */

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { type Entry, initialFileSystem } from "./initrd.js";

export const QEMU = "qemu-system-x86_64";
export const FOLDER = "build/hid";
const PARTS = join(FOLDER, "parts");
/** An economy that is made here, because it takes the guest a minute. */
export const HOME = join(FOLDER, "world");
const MEMORY_MIB = 1024;
/** Depends on the newest kernel; its own postinst is never run. */
const KERNEL_PACKAGE = "linux-image-amd64";
const BUSYBOX_PACKAGE = "busybox-static";
/** What the guest loads, after what each of them needs: files of the host, and USB devices made by a program. */
const MODULES = ["virtio_pci", "9pnet_virtio", "9p", "uhid", "hid-generic"];
const MODULE_FOLDERS = ["drivers/virtio", "drivers/hid", "fs/9p", "fs/netfs", "fs/fscache", "net/9p"];

/** Something that this test needs is not there. */
export class MissingError extends Error {
  constructor(what: string, packages: readonly string[], cause?: unknown) {
    const how = packages.length === 0 ? "" : ` Install it: apt-get update && apt-get install ${packages.join(" ")}`;
    super(`test:hid needs ${what}.${how}`, cause === undefined ? {} : { cause });
    this.name = "MissingError";
  }
}

function output(program: string, parameters: readonly string[], cwd = "."): string {
  return execFileSync(program, parameters, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** The kernel's own package, which the one that people install depends on. */
function kernelPackage(): string {
  const found = /Depends: (linux-image-\S+)/.exec(output("apt-cache", ["depends", KERNEL_PACKAGE]));
  if (found?.[1] === undefined) throw new Error(`${KERNEL_PACKAGE} depends on no kernel`);
  return found[1];
}

/** Fetches a package and unpacks what is wanted of it. */
function unpack(name: string, into: string, wanted: readonly string[]): void {
  const packages = join(into, "packages");
  mkdirSync(packages, { recursive: true });
  output("apt-get", ["-o", "APT::Sandbox::User=root", "download", name], packages);
  const file = readdirSync(packages).find((each) => each.startsWith(`${name}_`));
  if (file === undefined) throw new Error(`apt-get did not download ${name}`);
  const archive = spawnSync("dpkg-deb", ["--fsys-tarfile", join(packages, file)], { maxBuffer: 2 ** 31 });
  const { status, stderr } = spawnSync("tar", ["-x", "-C", into, "--wildcards", ...wanted], { input: archive.stdout });
  if (archive.status !== 0 || status !== 0) throw new Error(`${name} cannot be unpacked: ${stderr.toString()}`);
}

/** Kernel, modules and busybox, from build/hid if they are there. */
function fetchParts(): void {
  if (existsSync(PARTS)) return;
  const temporary = `${PARTS}.${process.pid}.tmp`;
  mkdirSync(temporary, { recursive: true });
  try {
    const folders = MODULE_FOLDERS.map((folder) => `./lib/modules/*/kernel/${folder}/*`);
    unpack(kernelPackage(), temporary, ["./boot/vmlinuz-*", ...folders]);
    unpack(BUSYBOX_PACKAGE, temporary, ["./bin/busybox"]);
    rmSync(join(temporary, "packages"), { recursive: true });
    renameSync(temporary, PARTS);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    const said = error instanceof Error ? error.message.trim() : String(error);
    const what = `Debian's packages ${KERNEL_PACKAGE} and ${BUSYBOX_PACKAGE}, downloaded (${said}); run apt-get update first`;
    throw new MissingError(what, [], error);
  }
}

/** The files of these modules, and before each the files of those that it needs. */
function moduleFiles(): string[] {
  const files = new Map<string, string>();
  for (const entry of readdirSync(PARTS, { recursive: true, encoding: "utf8" })) {
    if (entry.endsWith(".ko")) files.set(basename(entry, ".ko").replaceAll("-", "_"), join(PARTS, entry));
  }
  const ordered = new Set<string>();
  const add = (name: string) => {
    const file = files.get(name.replaceAll("-", "_"));
    if (file === undefined) throw new MissingError(`a kernel with the module ${name} as a file (.ko)`, []);
    const needed = /\0depends=([^\0]*)\0/.exec(readFileSync(file, "latin1"))?.[1] ?? "";
    for (const each of needed.split(",")) if (each !== "") add(each);
    ordered.add(file);
  };
  for (const name of MODULES) add(name);
  return [...ordered];
}

function initScript(modules: readonly string[]): string {
  const guest = [process.execPath, "build/tools/test/hid/guest.js"].map((word) => `'${word}'`).join(" ");
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in ${modules.map((file) => basename(file)).join(" ")}; do insmod /modules/$module; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 host /host
mount -t proc proc /host/proc
mount -t sysfs sys /host/sys
mount -t devtmpfs dev /host/dev
mkdir -p /host/dev/shm
mount -t tmpfs tmp /host/dev/shm
ifconfig lo up
TMPDIR=/dev/shm chroot /host /bin/sh -c "cd '${resolve(".")}' && exec ${guest}"
echo "GUEST-STATUS $?"
poweroff -f
`;
}

function program(path: string, content: Uint8Array | string): Entry {
  return { path, mode: 0o100755, content: Buffer.from(content) };
}

/** Everything that the guest needs; the parameters that QEMU starts it with. */
export async function prepare(): Promise<string[]> {
  fetchParts();
  rmSync(HOME, { recursive: true, force: true });
  output(process.execPath, ["dist/host/cli/main.js", "--home", HOME, "init"]);
  const kernel = readdirSync(join(PARTS, "boot")).find((name) => name.startsWith("vmlinuz-"));
  if (kernel === undefined) throw new MissingError(`a kernel in ${PARTS}: remove that folder and try again`, []);
  const modules = moduleFiles();
  const image = initialFileSystem([
    ...["bin", "dev", "proc", "sys", "modules", "host"].map((path) => ({ path, mode: 0o40755 })),
    { path: "dev/console", mode: 0o20600, device: [5, 1] },
    program("bin/busybox", readFileSync(join(PARTS, "bin/busybox"))),
    ...modules.map((file) => program(`modules/${basename(file)}`, readFileSync(file))),
    program("init", initScript(modules)),
  ]);
  const initrd = join(FOLDER, "initrd.img");
  writeFileSync(initrd, image);
  return [
    // All that can be emulated: SQLite's binding wants more than QEMU's plain processor has.
    ...[
      "-accel",
      "tcg",
      "-cpu",
      "max",
      "-smp",
      "2",
      "-m",
      String(MEMORY_MIB),
      "-display",
      "none",
      "-nodefaults",
      "-no-reboot",
    ],
    ...["-serial", "stdio", "-kernel", join(PARTS, "boot", kernel), "-initrd", initrd],
    ...["-append", "console=ttyS0 quiet panic=-1"],
    ...["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"],
  ];
}
