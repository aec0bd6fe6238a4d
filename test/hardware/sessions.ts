/**
 * Sessions from recordings of the fuzzer (test/fuzz/recordings.ts): lives of modules, agents and purses from blank chips on,
 * with payments between two modules, purchases, lost messages and losses of power; and the same with what nobody would send among it.
 */

import { INS_VERIFY } from "../../firmware/protocol/apdu.js";
import { IO_BYTES } from "../../firmware/protocol/limits.js";
import type { ChipSort } from "../../host/chips.js";
import type { AppletName } from "../../simulator/applet-files.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { type Recording, whole } from "../fuzz/recording-chips.js";
import { selectCommand } from "./reference.js";
import { Difference, type Session, type Step } from "./session.js";

export const APPLET_OF: Readonly<Record<ChipSort, AppletName>> = {
  module: "money-module",
  agent: "trusted-agent",
  purse: "purse",
};

/** The recorded chips' random bytes come from the world's seed and their name. */
function seedOf({ name }: Recording): string {
  return `fuzz ${name.replace("/", " ")}`;
}

/** What the recording has before its first command. */
function beginning({ sort }: Recording): Step[] {
  return [{ kind: "atr" }, { kind: "apdu", apdu: selectCommand(APPLET_OF[sort]) }];
}

/** The recording up to the command of an index. */
export function prefixOf(recording: Recording, end: number): Step[] {
  const steps = beginning(recording);
  for (let index = 0; index < end; index++) {
    const { apdu, now_ms } = recording.commands[index] as Recording["commands"][number];
    steps.push({ kind: "clock", now_ms });
    if (recording.powered.has(index)) steps.push({ kind: "power" });
    steps.push({ kind: "apdu", apdu });
  }
  return steps;
}

export function sessionOf(recording: Recording, name: string, steps: readonly Step[]): Session {
  const { sort, commands } = recording;
  return { name, applets: [APPLET_OF[sort]], seed: seedOf(recording), now_ms: commands[0]?.now_ms ?? 0, steps };
}

/** As it was recorded. Before the last command that has the element beside it, the simulator must be that element. */
export function recordedSession(recording: Recording): Session {
  const { commands, sort, name } = recording;
  const last = commands.findLastIndex(({ before }) => before !== undefined);
  const steps = prefixOf(recording, commands.length);
  const stepOfLast = prefixOf(recording, last).length;
  const before = whole(commands[last]?.before ?? []);
  const onStep: Session["onStep"] = (index, reference) => {
    // What comes between: the clock of the command, and power.
    if (index !== stepOfLast) return;
    const now = reference.elements.get(APPLET_OF[sort])?.snapshot();
    if (now === undefined || Buffer.compare(now, before) !== 0) {
      throw new Difference(`${name}: the simulator does not do again what was recorded`);
    }
  };
  return { ...sessionOf(recording, name, steps), onStep };
}

/** Numbers from a seed. */
export class Draws {
  readonly #randomness: SeededRandomness;

  constructor(seed: string) {
    this.#randomness = new SeededRandomness(sodiumCryptography, seed);
  }

  below(limit: number): number {
    return this.#randomness.below(limit);
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#randomness.fill(bytes);
    return bytes;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

const INSTRUCTIONS = [
  0x20, 0x24, 0x2c, 0x70, 0x82, 0x84, 0xa4, 0xb2, 0xc0, 0xc2, 0xca, 0xcb, 0xd8, 0xdb, 0xe2, 0xe6, 0xfe,
];

/** A command with something about it changed. */
function spoilt(apdu: Uint8Array, draws: Draws): Uint8Array {
  const bytes = apdu.slice();
  switch (draws.below(6)) {
    case 0: {
      const at = draws.below(Math.max(1, bytes.length));
      bytes[at] = (bytes[at] ?? 0) ^ (1 << draws.below(8));
      return bytes;
    }
    case 1:
      return bytes.subarray(0, draws.below(bytes.length + 1));
    case 2:
      return Buffer.concat([bytes, draws.bytes(1 + draws.below(40))]);
    case 3:
      bytes[0] = draws.pick([0, 0x80, 0x10, 0x90, 1, 2, 3, 0x83, 0x40, 0x0c, draws.below(256)]);
      return bytes;
    case 4:
      bytes[1] = draws.pick(INSTRUCTIONS);
      return bytes;
    default:
      return bytes;
  }
}

/** No recorded command at all; sometimes longer than any applet takes. */
function madeUp(draws: Draws): Uint8Array {
  const header = [draws.pick([0, 0x80, 0x90, 1, 0x81]), draws.pick(INSTRUCTIONS), draws.below(256), draws.below(256)];
  const length = draws.pick([0, 1, 7, 40, 255, 2000, IO_BYTES - 7, IO_BYTES, IO_BYTES + 1, 20_000, 65_000]);
  const bytes = Buffer.concat([Uint8Array.from(header), draws.bytes(length)]);
  // A length of one byte is a control of the stream, and no command.
  return bytes.subarray(0, draws.below(20) === 0 ? draws.pick([0, 2, 3, 4]) : bytes.length);
}

/** The recording with about every eighth command spoilt, repeated, left out or followed by one that is made up. */
export function spoiltSession(recording: Recording, seed: string): Session {
  const draws = new Draws(`${seed} ${recording.name}`);
  const steps = prefixOf(recording, recording.commands.length).flatMap((step): Step[] => {
    if (step.kind !== "apdu" || draws.below(8) !== 0) return [step];
    const how = draws.below(8);
    if (how === 0) return [];
    if (how === 1) return [step, step];
    if (how === 2) return [step, { kind: "power" }, { kind: "apdu", apdu: selectCommand(APPLET_OF[recording.sort]) }];
    if (how === 3) return [step, { kind: "apdu", apdu: madeUp(draws) }];
    const apdu = spoilt(step.apdu, draws);
    const other = apdu.length === 1 ? Uint8Array.of(...apdu, 0) : apdu;
    return how < 6 ? [{ kind: "apdu", apdu: other }, step] : [{ kind: "apdu", apdu: other }];
  });
  return sessionOf(recording, `${recording.name}, spoilt ${seed}`, steps);
}

/**
 * The recording, with the board killed from some command on: between commands, and in the middle of those that change what is kept,
 * each time started again on what it kept. What a session has begun dies with its first kill, so there are several of each.
 */
export function killedSession(recording: Recording, seed: string): Session {
  const draws = new Draws(`${seed} kills ${recording.name}`);
  const verify = recording.commands.find(({ apdu }) => apdu[1] === INS_VERIFY)?.apdu;
  const again: Step[] = [{ kind: "apdu", apdu: selectCommand(APPLET_OF[recording.sort]) }];
  if (verify !== undefined) again.push({ kind: "apdu", apdu: verify });
  const all = prefixOf(recording, recording.commands.length);
  const from = draws.below(all.length);
  const steps = all.flatMap((step, at): Step[] => {
    if (step.kind !== "apdu" || at < from) return [step];
    if (draws.below(32) === 0) return [{ kind: "kill" }, ...again, step];
    // Then the command again, as a host does that has no answer.
    const within = { kind: "kill-within", apdu: step.apdu, fraction: draws.below(1000) / 1000 } as const;
    return draws.below(2) === 0 ? [within, ...again, step] : [step];
  });
  return sessionOf(recording, `${recording.name}, killed ${seed}`, steps);
}

const AIDS: readonly AppletName[] = ["money-module", "trusted-agent", "purse"];
const GET_DATA = [0, 0xca, 0xdf, 0x01, 0];

/** SELECT on a channel: short, extended, of a name that is too long or somebody else's. */
function anySelect(draws: Draws, channel: number): Uint8Array {
  const short = selectCommand(draws.pick(AIDS), channel);
  const aid = short.subarray(5, 12);
  switch (draws.below(8)) {
    case 0:
      return Uint8Array.of(channel, 0xa4, 4, 0, 0, 0, aid.length, ...aid);
    case 1:
      return Uint8Array.of(channel, 0xa4, 4, 0, aid.length + 1, ...aid, 9);
    case 2:
      return short.subarray(0, 4 + draws.below(9));
    case 3:
      return Uint8Array.of(channel, 0xa4, 4, 0, aid.length, ...draws.bytes(aid.length));
    default:
      return short;
  }
}

/** Two elements behind one contact: channels opened, closed, and taken from each other; nobody minds what the applets answer. */
export function channelSession(seed: string, count: number): Session {
  const draws = new Draws(`${seed} channels`);
  const steps = Array.from({ length: count }, (): Step => {
    const channel = draws.below(4);
    switch (draws.below(12)) {
      case 0:
        return draws.below(6) === 0 ? { kind: "power" } : { kind: "atr" };
      case 1:
      case 2:
      case 3: {
        const p1 = draws.pick([0, 0, 0, 0x80, 0x80, 1]);
        const le = draws.pick([[1], [1], [], [1, 0]]);
        return { kind: "apdu", apdu: Uint8Array.of(draws.pick([0, channel]), 0x70, p1, draws.below(6), ...le) };
      }
      case 4:
      case 5:
      case 6:
      case 7:
        return { kind: "apdu", apdu: anySelect(draws, channel) };
      case 8: {
        // What is no SELECT by name, classes that name no channel here, and what nobody would send.
        const p1 = draws.pick([0, 4, 4]);
        const odd = Uint8Array.of(
          draws.pick([channel, 0x40, 0x80, 0xff]),
          draws.pick([0xa4, 0xca]),
          p1,
          draws.below(2),
        );
        return { kind: "apdu", apdu: draws.below(2) === 0 ? odd : madeUp(draws) };
      }
      default: {
        const [cla = 0, ...rest] = GET_DATA;
        return { kind: "apdu", apdu: Uint8Array.of(cla | channel, ...rest) };
      }
    }
  });
  return { name: `channels ${seed}`, applets: ["money-module", "trusted-agent"], seed, now_ms: 0, steps };
}
