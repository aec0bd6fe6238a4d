/**
 * Recordings with garbage on the line before their commands: noise, and frames that were spoilt, given up, cut off or never ended,
 * made of the very commands that come next. A card that takes any of it for a command, or is held up by it, is found out by its
 * next answers.
 */

import { encodeFrame, FrameDecoder } from "../../host/transports/serial-frames.js";
import type { Recording } from "../fuzz/recording-chips.js";
import type { Session, Step } from "./session.js";
import { Draws, prefixOf, sessionOf } from "./sessions.js";

const FLAG = 0x7e;
const ESCAPE = 0x7d;
const FLAG_ALONE = Uint8Array.of(FLAG);
/** More than any applet takes, and than a length of 16 bits counts. */
const OVERLONG = [6_401, 20_000, 66_000];

function flipped(bytes: Uint8Array, at: number, draws: Draws): Uint8Array {
  const other = bytes.slice();
  other[at] = (other[at] ?? 0) ^ (1 << draws.below(8));
  return other;
}

/** Garbage of a kind, made of a command. */
const GARBAGE: readonly ((command: Uint8Array, draws: Draws) => Uint8Array)[] = [
  (_command, draws) => draws.bytes(1 + draws.below(200)),
  // A bit of a frame was turned over: most often its FCS is wrong then.
  (command, draws) => {
    const frame = encodeFrame(draws.below(256), command);
    return flipped(frame, draws.below(frame.length), draws);
  },
  // The FCS itself.
  (command, draws) => {
    const frame = encodeFrame(draws.below(256), command);
    return flipped(frame, frame.length - 2, draws);
  },
  // Bytes were lost in the middle.
  (command, draws) => {
    const frame = encodeFrame(draws.below(256), command);
    const at = 1 + draws.below(frame.length - 2);
    return Buffer.concat([frame.subarray(0, at), frame.subarray(at + 1 + draws.below(3))]);
  },
  // Whoever sent it was killed: no end.
  (command, draws) => {
    const frame = encodeFrame(draws.below(256), command);
    return frame.subarray(0, 1 + draws.below(frame.length - 2));
  },
  // It was given up, somewhere or where only its end was missing.
  (command, draws) => {
    const frame = encodeFrame(draws.below(256), command);
    const end = draws.below(2) === 0 ? frame.length - 1 : 1 + draws.below(frame.length - 2);
    return Uint8Array.of(...frame.subarray(0, end), ESCAPE, FLAG);
  },
  // Too short to be one, or empty.
  (_command, draws) => Uint8Array.of(FLAG, ...draws.bytes(draws.below(3)), FLAG, FLAG),
  (_command, draws) => Uint8Array.of(FLAG, ESCAPE, ESCAPE, FLAG, ESCAPE, FLAG, ...draws.bytes(2)),
  // Longer than any buffer, begun like a command, and never ended.
  (command, draws) => {
    const long = Buffer.concat([command, draws.bytes(draws.pick(OVERLONG))]);
    const frame = encodeFrame(draws.below(256), long);
    return draws.below(2) === 0 ? frame.subarray(0, -2 - draws.below(9)) : flipped(frame, frame.length - 3, draws);
  },
];

/** Garbage which holds no frame by chance, and becomes none by the flag of what comes next. */
function garbage(command: Uint8Array, draws: Draws): Uint8Array {
  for (;;) {
    const bytes = Buffer.concat(Array.from({ length: 1 + draws.below(3) }, () => draws.pick(GARBAGE)(command, draws)));
    const decoder = new FrameDecoder(Number.POSITIVE_INFINITY);
    if (decoder.take(bytes).length === 0 && decoder.take(FLAG_ALONE).length === 0) return bytes;
  }
}

/** The recording with garbage before every so manieth command, on average. */
export function noisySession(recording: Recording, seed: string, every: number): Session {
  const draws = new Draws(`${seed} noise ${recording.name}`);
  const steps = prefixOf(recording, recording.commands.length).flatMap((step): Step[] => {
    if (step.kind !== "apdu" || draws.below(every) !== 0) return [step];
    return [{ kind: "noise", bytes: garbage(step.apdu, draws) }, step];
  });
  return sessionOf(recording, `${recording.name}, noise ${seed}`, steps);
}
