/** vsmartcard's vpcd on this machine: where its driver is, and at which ports its readers are to listen. */

import { join } from "node:path";
import type { Machine } from "./card-machine.js";

/** The package that brings the driver. */
export const VPCD_PACKAGE = "vsmartcard-vpcd";
const DRIVER_FOLDERS = [
  "/usr/lib/pcsc/drivers/serial",
  "/usr/local/lib/pcsc/drivers/serial",
  "/usr/lib64/pcsc/drivers/serial",
];
const CONFIGURATION_FOLDER = "/etc/reader.conf.d";
/** Each entry of pcscd's configuration gives as many readers, at ports that follow one another. */
export const READERS_AN_ENTRY = 2;

/** Set for whatever runs in a lab: the folder with its pcscd's configuration. */
export const LAB_VARIABLE = "TALLY_LAB";

export function vpcdDriver(machine: Machine): string | undefined {
  for (const folder of DRIVER_FOLDERS) {
    const name = machine.list(folder).find((each) => /^libifdvpcd\.so/.test(each));
    if (name !== undefined) return join(folder, name);
  }
  return undefined;
}

/** Ports of the virtual readers that pcscd is configured with. */
export function vpcdPorts(machine: Machine): number[] {
  const folder = machine.environment[LAB_VARIABLE] ?? CONFIGURATION_FOLDER;
  const texts = machine.list(folder).map((name) => machine.read(join(folder, name)) ?? "");
  const channels = texts.flatMap((text) =>
    // A file can have several entries, of other drivers too.
    text.split(/^\s*FRIENDLYNAME/m).flatMap((entry) => {
      const channel = /^\s*CHANNELID\s+(0x[0-9a-f]+|\d+)/im.exec(entry)?.[1];
      return /^\s*LIBPATH\s.*vpcd/m.test(entry) && channel !== undefined ? [Number(channel)] : [];
    }),
  );
  return channels.flatMap((first) => Array.from({ length: READERS_AN_ENTRY }, (_, index) => first + index));
}

/** The entry of pcscd's configuration for two virtual readers, from a port on. Entries must not share a driver's file. */
export function vpcdEntry(name: string, driver: string, port: number): string {
  const channel = `0x${port.toString(16).toUpperCase()}`;
  return [
    `FRIENDLYNAME "${name}"`,
    `DEVICENAME   /dev/null:${channel}`,
    `LIBPATH      ${driver}`,
    `CHANNELID    ${channel}`,
    "",
  ].join("\n");
}
