/** `tally device pin` and `unblock`: the owner's PIN of the chips of one device. */

import type { Command } from "commander";
import type { Device } from "../device.js";
import type { Element } from "../element.js";
import { type Home, isRemoteHome } from "../world/home.js";
import { type DeviceRecord, readState, writeState } from "../world/state.js";
import { DIGITS, type GlobalOptions, outputFor, pinDigits, withLockedDevice } from "./context.js";

interface PinOptions extends GlobalOptions {
  readonly old?: string;
  readonly puk?: string;
  readonly new: string;
}

/** The home does not keep the number that is needed. */
export class NumberNeededError extends Error {
  constructor(what: string, option: string) {
    super(`The home does not keep the ${what} of this device. Nothing was changed. Give it with ${option}.`);
    this.name = "NumberNeededError";
  }
}

export function addPin(device: Command): void {
  device
    .command("pin")
    .description("change the owner's PIN")
    .argument("<name>", "the device")
    .requiredOption("--new <digits>", `the new PIN, ${DIGITS}`, pinDigits)
    .option("--old <digits>", "the PIN of today (default: the one that the home keeps)", pinDigits)
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PinOptions>();
      await withLockedDevice(options, name, async (opened, home) => {
        const kept = keptOf(home, name);
        const old = options.old ?? kept?.pin;
        if (old === undefined) throw new NumberNeededError("PIN", "--old");
        await changePin(opened, old, options.new);
        keep(home, name, options.new);
      });
      outputFor(options).result({ name }, [`The chips of ${name} have a new PIN.`]);
    });
  device
    .command("unblock")
    .description("give a new PIN with the PUK, after too many wrong tries or where the PIN is forgotten")
    .argument("<name>", "the device")
    .requiredOption("--new <digits>", `the new PIN, ${DIGITS}`, pinDigits)
    .option("--puk <digits>", "the PUK that came with the device (default: the one that the home keeps)", pinDigits)
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PinOptions>();
      await withLockedDevice(options, name, async (opened, home) => {
        const kept = keptOf(home, name);
        const puk = options.puk ?? kept?.puk;
        if (puk === undefined) throw new NumberNeededError("PUK", "--puk");
        for (const element of opened.elements()) await element.unblockPin(puk, options.new);
        keep(home, name, options.new);
      });
      outputFor(options).result({ name }, [`The chips of ${name} have a new PIN. The money in them is untouched.`]);
    });
}

/** All chips of a device have one PIN: if one refuses the new one, those before it get the old one back. */
async function changePin(device: Device, old: string, next: string): Promise<void> {
  const changed: Element[] = [];
  try {
    for (const element of device.elements()) {
      await element.changePin(old, next);
      changed.push(element);
    }
  } catch (error) {
    for (const element of changed) await element.changePin(next, old);
    throw error;
  }
}

/** What the sandbox keeps of a device; a wallet in a home of its own keeps nothing. */
function keptOf(home: Home, name: string): DeviceRecord | undefined {
  // Whoever reads it will write it, and must not be kept from that once the chips have the new PIN.
  home.claim("settings");
  return isRemoteHome(home) ? undefined : readState(home)?.devices.find((device) => device.name === name);
}

/** The sandbox knows the new PIN too. It is written after the chips have it: the other way round nobody would know the old. */
function keep(home: Home, name: string, pin: string): void {
  const state = isRemoteHome(home) ? undefined : readState(home);
  if (state === undefined) return;
  const devices = state.devices.map((device) => (device.name === name ? { ...device, pin } : device));
  writeState(home, { ...state, devices });
}
