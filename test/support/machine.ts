/** A machine as a test wants it, for what asks the machine: everything that cards need is there, but for what the test takes away. */

import type { Machine, ProgramRun } from "../../host/cli/card-machine.js";

export const CONFIGURATION = `FRIENDLYNAME "Virtual PCD"
DEVICENAME   /dev/null:0x8C7B
LIBPATH      /usr/lib/pcsc/drivers/serial/libifdvpcd.so
CHANNELID    0x8C7B
`;

/** Ports 35963 and 35964 listen, 80 has a connection. */
export const SOCKETS = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:8C7B 00000000:0000 0A 00000000:00000000
   1: 0100007F:0050 0100007F:A2C4 01 00000000:00000000
   2: 00000000:8C7C 00000000:0000 0A 00000000:00000000
`;

const PROGRAMS = ["pcscd", "ip", "unshare", "setpriv", "mount", "opensc-tool", "pcsc_scan", "scriptor"];

export interface MachineChanges extends Partial<Machine> {
  /** Programs that are not installed. */
  readonly without?: readonly string[];
  /** Files and folders' lists that are otherwise; undefined: not there. */
  readonly files?: Readonly<Record<string, string | undefined>>;
  readonly folders?: Readonly<Record<string, readonly string[]>>;
  /** What programs say, by the beginning of their command line. */
  readonly runs?: Readonly<Record<string, ProgramRun>>;
}

export const ran = (out: string, code = 0, err = ""): ProgramRun => ({ code, out, err });

export function machineWith({
  without = [],
  files = {},
  folders = {},
  runs = {},
  ...more
}: MachineChanges = {}): Machine {
  const texts: Record<string, string | undefined> = {
    "/etc/reader.conf.d/vpcd": CONFIGURATION,
    "/proc/net/tcp": SOCKETS,
    "/usr/lib/pcsc/drivers/ifd-ccid.bundle": "",
    "/dev/uhid": "",
    "/dev/hidraw0": "",
    ...files,
  };
  const lists: Record<string, readonly string[]> = {
    "/etc/reader.conf.d": ["libccidtwin", "vpcd"],
    "/usr/lib/pcsc/drivers/serial": ["libccidtwin.so", "libifdvpcd.so", "libifdvpcd.so.0.8"],
    "/dev": ["hidraw0", "null", "uhid"],
    ...folders,
  };
  const answers: Record<string, ProgramRun> = {
    "/bin/ip route show table local 127.0.0.1": ran("local 127.0.0.1 dev lo scope host quickack 1"),
    [`${process.execPath} --eval`]: ran('[{"name":"Virtual PCD 00 00","card":null}]'),
  };
  return {
    platform: "linux",
    isRoot: true,
    environment: {},
    program: (name) => (PROGRAMS.includes(name) && !without.includes(name) ? `/bin/${name}` : undefined),
    run: async (program, args) => {
      const line = [program, ...args].join(" ");
      const begins = ([command]: readonly [string, ProgramRun]) => line.startsWith(command);
      const known = Object.entries(runs).find(begins) ?? Object.entries(answers).find(begins);
      return known?.[1] ?? { code: null, out: "", err: "not found" };
    },
    exists: (path) => texts[path] !== undefined,
    mayUse: (path) => texts[path] !== undefined,
    read: (path) => texts[path],
    list: (folder) => lists[folder] ?? [],
    refusal: async () => undefined,
    packageFile: (name) => `/node_modules/${name}/index.js`,
    ...more,
  };
}
