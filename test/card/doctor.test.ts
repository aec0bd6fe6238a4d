/** What `tally card doctor` finds on machines that have everything, and on such as lack one thing each. */

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { examine, isFit } from "../../host/cli/card-doctor.js";
import { runProgram, thisMachine } from "../../host/cli/card-machine.js";
import type { Finding } from "../../host/cli/card-probes.js";
import { vpcdEntry, vpcdPorts } from "../../host/cli/card-vpcd.js";
import { tally } from "../support/homes.js";
import { CONFIGURATION, type MachineChanges, machineWith, ran, SOCKETS } from "../support/machine.js";

async function found(changes: MachineChanges): Promise<(name: string) => Finding | undefined> {
  const findings = await examine(machineWith(changes));
  return (name) => findings.find((each) => each.name === name);
}

describe("the doctor", () => {
  test("finds nothing missing where everything is there", async () => {
    const findings = await examine(machineWith());
    expect(findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(findings.filter(({ mend }) => mend !== undefined)).toEqual([]);
    expect(isFit(findings)).toBe(true);
    expect(findings.map(({ name, found }) => `${name}: ${found}`)).toEqual([
      "pcscd: /bin/pcscd",
      "pcscd's socket: /run/pcscd/pcscd.comm answers",
      "vpcd's driver: /usr/lib/pcsc/drivers/serial/libifdvpcd.so",
      "virtual readers, configured: at ports 35963, 35964",
      "virtual readers, listening: at ports 35963, 35964",
      "virtual readers, speed: acknowledged at once: thousands of commands a second",
      "npm package pcsclite: /node_modules/pcsclite/index.js",
      "readers and cards: Virtual PCD 00 00: empty",
      "driver of real readers: /usr/lib/pcsc/drivers/ifd-ccid.bundle",
      "npm package node-hid: /node_modules/node-hid/index.js",
      "USB HID devices: hidraw0",
      "simulated USB devices: /dev/uhid",
      "opensc-tool: /bin/opensc-tool",
      "pcsc_scan: /bin/pcsc_scan",
      "scriptor: /bin/scriptor",
    ]);
  });

  const failing = (name: string, err: string) => ({
    [`${process.execPath} --eval require(process.argv[1]); process.exit(0) /node_modules/${name}`]: ran("", 1, err),
  });
  /** What is taken away; which finding says so; whether it is needed; what mends it. */
  const LACKS: readonly (readonly [string, MachineChanges, string, boolean, RegExp])[] = [
    ["pcscd", { without: ["pcscd"] }, "pcscd", true, /apt-get install pcscd$/],
    [
      "pcscd that runs",
      { refusal: async () => "ENOENT" },
      "pcscd's socket",
      true,
      /pcscd \(as root\), or: tally card lab/,
    ],
    [
      "pcscd that runs, with systemd",
      { refusal: async () => "ECONNREFUSED", files: { "/run/systemd/system": "" } },
      "pcscd's socket",
      true,
      /systemctl enable --now pcscd\.socket/,
    ],
    ["rights on its socket", { refusal: async () => "EACCES" }, "pcscd's socket", true, /usermod/],
    [
      "vpcd's driver",
      { folders: { "/usr/lib/pcsc/drivers/serial": ["libccidtwin.so"] } },
      "vpcd's driver",
      true,
      /apt-get install vsmartcard-vpcd/,
    ],
    [
      "vpcd's configuration",
      { files: { "/etc/reader.conf.d/vpcd": undefined } },
      "virtual readers, configured",
      true,
      /vsmartcard-vpcd/,
    ],
    [
      "readers that listen",
      { files: { "/proc/net/tcp": SOCKETS.replaceAll(" 0A ", " 01 ") } },
      "virtual readers, listening",
      true,
      /start pcscd anew|tally card lab/,
    ],
    [
      "a fast loopback",
      { runs: { "/bin/ip route": ran("local 127.0.0.1 dev lo scope host") } },
      "virtual readers, speed",
      false,
      /quickack 1$/,
    ],
    ["ip", { without: ["ip"] }, "virtual readers, speed", false, /quickack 1$/],
    ["pcsclite", { packageFile: () => undefined }, "npm package pcsclite", true, /libpcsclite-dev.*npm ci/],
    [
      "libpcsclite",
      { runs: failing("pcsclite", "Error: libpcsclite.so.1: cannot open shared object file") },
      "npm package pcsclite",
      true,
      /apt-get install libpcsclite1$/,
    ],
    [
      "a pcsclite for this Node",
      { runs: failing("pcsclite", "Error: The module was compiled against a different Node.js version") },
      "npm package pcsclite",
      true,
      /npm rebuild pcsclite/,
    ],
    [
      "the driver of real readers",
      { files: { "/usr/lib/pcsc/drivers/ifd-ccid.bundle": undefined } },
      "driver of real readers",
      false,
      /libccid/,
    ],
    [
      "libusb",
      { runs: failing("node-hid", "Error: libusb-1.0.so.0: cannot open shared object file") },
      "npm package node-hid",
      false,
      /libusb-1\.0-0/,
    ],
    [
      "rights on HID devices",
      { mayUse: (path) => path !== "/dev/hidraw0" },
      "USB HID devices",
      false,
      /KERNEL=="hidraw\*".*uaccess.*udevadm/,
    ],
    ["uhid", { files: { "/dev/uhid": undefined } }, "simulated USB devices", false, /modprobe -a uhid/],
    [
      "rights on uhid",
      { mayUse: (path) => path !== "/dev/uhid" },
      "simulated USB devices",
      false,
      /\/dev\/uhid|setfacl/,
    ],
    ["opensc-tool", { without: ["opensc-tool"] }, "opensc-tool", false, /apt-get install opensc$/],
    ["pcsc_scan", { without: ["pcsc_scan"] }, "pcsc_scan", false, /apt-get install pcsc-tools$/],
  ];
  test.each(LACKS)("where there is no %s, says so and how to mend it", async (_what, changes, name, needed, mend) => {
    const finding = (await found(changes))(name);
    expect(finding).toMatchObject({ ok: false, needed, mend: expect.stringMatching(mend) });
    expect(isFit(await examine(machineWith(changes)))).toBe(!needed);
  });

  test("shows the cards in readers, and that nobody can say", async () => {
    const readers = '[{"name":"A","card":"3b00"},{"name":"B","card":null}]';
    const seen = async (run: ReturnType<typeof ran>) =>
      (await found({ runs: { [`${process.execPath} --eval`]: run } }))("readers and cards");
    expect(await seen(ran(`noise\n${readers}\n`))).toMatchObject({ ok: true, found: "A: card 3b00; B: empty" });
    expect(await seen(ran("[]"))).toMatchObject({ ok: false, found: "there is no reader" });
    expect(await seen(ran("garbage"))).toMatchObject({ ok: false, found: "pcscd does not say" });
    expect(await seen({ code: null, out: readers, err: "" })).toMatchObject({ ok: false, found: "pcscd does not say" });
  });

  test("of this machine, whatever it has: in lines and as JSON, with an exit code that says whether it is fit", async () => {
    const printed = await tally("--json", "card", "doctor");
    const { fit, findings } = JSON.parse(printed.out) as { fit: boolean; findings: Finding[] };
    expect(printed.code).toBe(fit ? 0 : 1);
    expect(fit).toBe(isFit(findings));
    for (const { ok, needed, mend } of findings) if (needed && !ok) expect(mend).toMatch(/./);
  });
});

describe("ports of virtual readers", () => {
  test("are those of pcscd's configuration, of all entries for vpcd and no others", () => {
    const ports = (text: string) => vpcdPorts(machineWith({ files: { "/etc/reader.conf.d/vpcd": text } }));
    expect(ports(CONFIGURATION)).toEqual([35_963, 35_964]);
    expect(ports("")).toEqual([]);
    expect(ports(CONFIGURATION.replace(/^LIBPATH.*$/m, "LIBPATH /usr/lib/other.so"))).toEqual([]);
    expect(
      ports(`# a comment\n${vpcdEntry("a", "/x/vpcd0.so", 4000)}\n${vpcdEntry("b", "/x/vpcd1.so", 5000)}`),
    ).toEqual([4000, 4001, 5000, 5001]);
    expect(ports(CONFIGURATION.replace("0x8C7B\n", "1000\n").replace(/CHANNELID.*/, "CHANNELID 1000"))).toEqual([
      1000, 1001,
    ]);
  });

  test("in a lab are the lab's", () => {
    const machine = machineWith({
      environment: { TALLY_LAB: "/lab" },
      folders: { "/lab": ["readers.conf"] },
      files: { "/lab/readers.conf": vpcdEntry("a", "/x/vpcd0.so", 4000) },
    });
    expect(vpcdPorts(machine)).toEqual([4000, 4001]);
  });
});

describe("what asks the machine", () => {
  test("ends a program that does not end", async () => {
    expect(await runProgram(process.execPath, ["--eval", "setInterval(() => {}, 1000)"], 300)).toMatchObject({
      code: null,
    });
    expect(await runProgram(process.execPath, ["--eval", "console.log(7); process.exit(3)"])).toEqual({
      code: 3,
      out: "7\n",
      err: "",
    });
    expect(await runProgram("/nowhere/at-all", [])).toMatchObject({ code: null, err: expect.stringMatching(/ENOENT/) });
  });

  test("says whether somebody answers at a socket", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tallystick-test-"));
    const path = join(folder, "socket");
    expect(await thisMachine.refusal(path)).toBe("ENOENT");
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect(await thisMachine.refusal(path)).toBeUndefined();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
    expect(thisMachine.program("sh")).toMatch(/\/sh$/);
    expect(thisMachine.program("no-such-program-anywhere")).toBeUndefined();
    expect(thisMachine.packageFile("commander")).toMatch(/commander/);
    expect(thisMachine.packageFile("no-such-package-anywhere")).toBeUndefined();
    expect(thisMachine.read("/nowhere")).toBeUndefined();
    expect(thisMachine.list("/nowhere")).toEqual([]);
  });
});
