/** `tally device pin` and `unblock`: the owner's PIN of the chips of one device. */

import type { Command } from "commander";
import type { Device } from "../device.js";
import type { Element } from "../element.js";
import { TransportError } from "../transport.js";
import { type Home, isRemoteHome } from "../world/home.js";
import { type DeviceRecord, readState, writeState } from "../world/state.js";
import {
  type DeviceOptions,
  DIGITS,
  digitsOfEnvironment,
  outputFor,
  pinDigits,
  typedDigits,
  withDevice,
  withLockedDevice,
} from "./context.js";
import { EXIT_USAGE } from "./output.js";

interface PinOptions extends DeviceOptions {
  readonly old?: string;
  readonly puk?: string;
  readonly new?: string;
}

/** The home does not keep the number that is needed, and nobody is there to type it. */
export class NumberNeededError extends Error {
  readonly exitCode = EXIT_USAGE;

  constructor(what: string, option: string) {
    super(`The ${what} is not known here. Nothing was changed. Type it on a terminal, or give it with ${option}.`);
    this.name = "NumberNeededError";
  }
}

/** The card was lost while its chips were given a new PIN. The old one, tried again, would use up tries of those that have the new. */
export class PinUnknownError extends Error {
  constructor(name: string, cause: TransportError) {
    super(
      `${cause.what} Some chips of ${name} may have the new PIN, and the others the old one. No money moved. Connect the card ` +
        `again and give all of them one PIN: tally device unblock ${name}, with the PUK.`,
      { cause },
    );
    this.name = "PinUnknownError";
  }
}

export function addPin(device: Command): void {
  const pin = device
    .command("pin")
    .description("change the owner's PIN")
    .argument("<name>", "the device")
    .option("--new <digits>", `the new PIN, ${DIGITS} (default: $TALLY_NEW_PIN, or it is asked for)`, pinDigits)
    .option("--old <digits>", "the PIN of today (default: $TALLY_PIN, the home's, or it is asked for)", pinDigits)
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PinOptions>();
      await withLockedDevice(options, name, async (opened, home) => {
        const known = options.old ?? digitsOfEnvironment("TALLY_PIN") ?? keptOf(home, name)?.pin;
        const old = known ?? (await typedDigits(`PIN of ${name}:`));
        if (old === undefined) throw new NumberNeededError("PIN", "--old");
        const next = await newPin(options, name);
        await knownPin(name, changePin(opened, old, next));
        keep(home, name, next);
      });
      outputFor(options).result({ name }, [`The chips of ${name} have a new PIN.`]);
    });
  const unblock = device
    .command("unblock")
    .description("give a new PIN with the PUK, after too many wrong tries or where the PIN is forgotten")
    .argument("<name>", "the device")
    .option("--new <digits>", `the new PIN, ${DIGITS} (default: $TALLY_NEW_PIN, or it is asked for)`, pinDigits)
    .option("--puk <digits>", "the PUK of the device (default: $TALLY_PUK, the home's, or it is asked for)", pinDigits)
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PinOptions>();
      await withLockedDevice(options, name, async (opened, home) => {
        const known = options.puk ?? digitsOfEnvironment("TALLY_PUK") ?? keptOf(home, name)?.puk;
        const puk = known ?? (await typedDigits(`PUK of ${name}:`));
        if (puk === undefined) throw new NumberNeededError("PUK", "--puk");
        const next = await newPin(options, name);
        await knownPin(name, unblockPin(opened, puk, next));
        keep(home, name, next);
      });
      outputFor(options).result({ name }, [`The chips of ${name} have a new PIN. The money in them is untouched.`]);
    });
  for (const command of [pin, unblock]) withDevice(command);
}

/** Typed twice, because it is not shown. */
async function newPin(options: PinOptions, name: string): Promise<string> {
  const given = options.new ?? digitsOfEnvironment("TALLY_NEW_PIN");
  if (given !== undefined) return given;
  const typed = await typedDigits(`New PIN of ${name}:`);
  if (typed === undefined) throw new NumberNeededError("new PIN", "--new");
  if ((await typedDigits("Once more:")) === typed) return typed;
  throw new Error("The two are not the same. Nothing was changed. Run the command again.");
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

async function unblockPin(device: Device, puk: string, next: string): Promise<void> {
  for (const element of device.elements()) await element.unblockPin(puk, next);
}

/** The work, and what is said if its end is not known. */
async function knownPin(name: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw error instanceof TransportError ? new PinUnknownError(name, error) : error;
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
