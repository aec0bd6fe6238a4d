/**
 * Writes down what simulated elements are given, so that the same can be given to boards: `TALLY_SESSIONS=FOLDER npx vitest run FILES`.
 *
 * A test that puts its element back to what it was begins a branch there. Each branch becomes a session of its own, from the blank
 * chip on; one in which the test had its hand in the chip (a power cut, a fault) is left out, for no board could follow.
 */

import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { toHex } from "../../host/codec/bytes.js";
import { Element } from "../../simulator/element.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import type { Clock } from "../../simulator/time.js";

export type RecordedStep =
  | { readonly kind: "power" }
  | { readonly kind: "clock"; readonly now_ms: number }
  | { readonly kind: "apdu"; readonly apdu: string; answer?: string };

export interface RecordedSession {
  readonly name: string;
  /** The last byte of the AID that is selected first. */
  readonly applet: number;
  readonly seed: string;
  readonly now_ms: number;
  readonly steps: readonly RecordedStep[];
}

interface Life {
  readonly seed: string;
  readonly start_ms: number;
  now_ms: number;
  steps: RecordedStep[];
  /** How many of the steps belong to sessions that were written already. */
  written: number;
  /** Nobody can do again what happened since. */
  isLost: boolean;
  test: string;
}

const AID_NUMBER_AT = 11;
const INS_SELECT = 0xa4;

function partsOf({ chip }: Element): { readonly seed: string | undefined; readonly clock: Clock } {
  const { randomness, clock } = Reflect.get(chip, "parts") as { readonly randomness: unknown; readonly clock: Clock };
  const seed = randomness instanceof SeededRandomness ? randomness.seed : undefined;
  return { seed: typeof seed === "string" ? seed : undefined, clock };
}

/** Watches every element of this process; `write` ends it. */
export function recordSessions(folder: string): { readonly write: () => void } {
  const lives = new Map<Element, Life>();
  const images = new WeakMap<Uint8Array, Pick<Life, "steps" | "isLost" | "now_ms">>();
  const sessions: RecordedSession[] = [];
  const { transmit, powerOn, snapshot, restore } = Element.prototype;

  const lifeOf = (element: Element): Life => {
    let life = lives.get(element);
    if (life === undefined) {
      const { seed, clock } = partsOf(element);
      const start_ms = clock.nowMs();
      const begin = { steps: [], written: 0, isLost: seed === undefined, test: "" };
      life = { seed: seed ?? "", start_ms, now_ms: start_ms, ...begin };
      lives.set(element, life);
    }
    if (element.chip.onOperation !== undefined) life.isLost = true;
    return life;
  };
  const finish = (life: Life) => {
    const { steps, seed, start_ms, isLost, written, test } = life;
    const [first] = steps.flatMap((step) => (step.kind === "apdu" ? [step.apdu] : []));
    const bytes = Buffer.from(first ?? "", "hex");
    if (isLost || steps.length <= written || bytes[1] !== INS_SELECT) return;
    const applet = bytes[AID_NUMBER_AT] ?? 0;
    sessions.push({ name: test, applet, seed, now_ms: start_ms, steps: [...steps] });
    life.written = steps.length;
  };
  const enter = (element: Element, step: RecordedStep) => {
    const life = lifeOf(element);
    const now_ms = partsOf(element).clock.nowMs();
    if (life.steps.length === life.written) life.test = expect.getState().currentTestName ?? "before all tests";
    if (now_ms !== life.now_ms) life.steps.push({ kind: "clock", now_ms });
    life.now_ms = now_ms;
    life.steps.push(step);
  };

  Element.prototype.transmit = function (command) {
    const step: RecordedStep = { kind: "apdu", apdu: toHex(command) };
    enter(this, step);
    const answer = transmit.call(this, command);
    step.answer = toHex(answer);
    return answer;
  };
  Element.prototype.powerOn = function () {
    // A board has power from the beginning.
    if (lifeOf(this).steps.length > 0) enter(this, { kind: "power" });
    powerOn.call(this);
  };
  Element.prototype.snapshot = function () {
    const image = snapshot.call(this);
    const { steps, isLost, now_ms } = lifeOf(this);
    images.set(image, { steps: [...steps], isLost, now_ms });
    return image;
  };
  Element.prototype.restore = function (image) {
    const life = lifeOf(this);
    finish(life);
    const then = images.get(image);
    life.steps = [...(then?.steps ?? [])];
    life.written = life.steps.length;
    life.isLost = then?.isLost ?? true;
    life.now_ms = then?.now_ms ?? 0;
    restore.call(this, image);
  };
  return {
    write: () => {
      for (const life of lives.values()) finish(life);
      writeFileSync(join(folder, `${randomUUID()}.json`), JSON.stringify(sessions));
    },
  };
}
