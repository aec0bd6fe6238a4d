/**
 * The applets as targets: from a state of a recorded session on, commands as they were recorded, changed anywhere, or made up.
 * What must hold after each: an answer that is one; no trap, no rule of flash broken, no memory beyond the applet's own; money
 * and PIN tries as the rules have them; and an element that mounts its store again and works.
 */

import * as p from "../../firmware/protocol/apdu.js";
import { IO_BYTES } from "../../firmware/protocol/limits.js";
import * as m from "../../firmware/protocol/messages.js";
import * as t from "../../firmware/protocol/tokens.js";
import { decodeCommand } from "../../host/apdu.js";
import { toHex } from "../../host/codec/bytes.js";
import { hostEnvelope } from "../../host/commands.js";
import { Chip } from "../../simulator/chip.js";
import { Element } from "../../simulator/element.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { type RecordReader, StoreMountError } from "../support/conservation-records.js";
import type { InstrumentedApplet } from "../support/coverage.js";
import { PIN, PUK } from "../support/modules.js";
import { isKnownStatus } from "../support/status.js";
import { envelopeCommand, framed, hostOrder, madeUp, timeout } from "./commands.js";
import { type Layer, type Nonces, rebuilt } from "./knowledge.js";
import { mutated, valueIn } from "./mutate.js";
import type { Numbers } from "./numbers.js";
import { checkMoney, digestOf, type Observation, observe, type Transmit, verifyPin } from "./observation.js";
import { checkPurses, ShownHalves } from "./purse-rules.js";
import { OTHER_PIN, type RecordedCommand, type Recording, whole } from "./recording-chips.js";
import { rememberingCryptography } from "./remembering.js";
import { FEATURES_A_BLOCK, Finding, FORMS, type Input, type Step, type Target } from "./target.js";

/** Blocks of code that one run may reach: more than any honest one, and few enough to wait for. */
const BLOCKS_MAX = 20_000_000;
const STEPS_MAX = 8;
/** Commands of a recording that a first input goes on with. */
const SEED_STEPS = 3;
/** Runs between two of those after which the store is mounted again by itself and the element powered again. */
const WHOLE_CHECK_EVERY = 24;
/** Of a snapshot, before linear memory. */
const HEADER_BYTES = 5;
const MEMORY_BYTES = 65_536;
const NOTHING = new Uint8Array(MEMORY_BYTES);
const CHANGES_PIN: ReadonlySet<number> = new Set([p.INS_CHANGE_REFERENCE_DATA, p.INS_RESET_RETRY_COUNTER]);

const LISTENING = [[m.COMMAND_CANCEL], [m.COMMAND_LISTEN], [m.COMMAND_CANCEL]] as const;
const NO_ID = new Uint8Array(16);

/** Of one run. */
interface Happened {
  readonly sent: Uint8Array[];
  readonly shown: ShownHalves;
}

/** One simulated element of each sort, which becomes whatever was recorded. */
export class Victim {
  readonly instrumented: InstrumentedApplet;
  readonly element: Element;
  readonly #chip: Chip;
  readonly #clock = { now_ms: 0 };
  readonly #staticBytes: number;
  /** Whether anything that outlives power was changed since it became what it is. */
  hasWritten = false;

  constructor(instrumented: InstrumentedApplet, staticBytes: number) {
    this.instrumented = instrumented;
    this.#staticBytes = staticBytes;
    const clock = { nowMs: () => this.#clock.now_ms, after: () => ({ cancel: () => undefined }) };
    const randomness = new SeededRandomness(sodiumCryptography, "victim");
    this.#chip = new Chip({ cryptography: rememberingCryptography(), randomness, clock });
    this.#chip.onOperation = () => {
      this.hasWritten = true;
      return undefined;
    };
    this.element = new Element(instrumented.applet, this.#chip);
  }

  become({ before, now_ms }: RecordedCommand): void {
    this.#clock.now_ms = now_ms;
    this.#chip.flash.violations = 0;
    this.element.restore(whole(before ?? []));
    this.instrumented.budget = BLOCKS_MAX;
    this.hasWritten = false;
  }

  countFromZero(): void {
    const { counts, touched } = this.instrumented;
    for (const block of touched) counts[block] = 0;
    touched.length = 0;
  }

  tell(reached: (feature: number) => void): void {
    const { counts, touched } = this.instrumented;
    for (const block of touched) {
      const times = Math.min(FEATURES_A_BLOCK - 1, 31 - Math.clz32(counts[block] as number));
      reached(block * FEATURES_A_BLOCK + times);
    }
  }

  readonly transmit: Transmit = (apdu) => {
    try {
      return this.element.transmit(apdu);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new Finding(ruleOf(error), error.message, { cause: error });
    }
  };

  power(): void {
    try {
      this.element.powerOn();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const rule = error.name === "BootFailure" ? "boot" : ruleOf(error);
      throw new Finding(rule, error.message, { cause: error });
    }
  }

  chipSnapshot(): Uint8Array {
    return this.#chip.snapshot();
  }

  checkFlash(): void {
    const { violations } = this.#chip.flash;
    if (violations > 0) throw new Finding("flash", `${violations} rules of flash broken`);
  }

  checkMemory(): void {
    const memory = this.element.snapshot().subarray(HEADER_BYTES, HEADER_BYTES + MEMORY_BYTES);
    if (Buffer.compare(memory.subarray(this.#staticBytes), NOTHING.subarray(this.#staticBytes)) !== 0) {
      throw new Finding("memory", "something was written beyond static data");
    }
  }
}

/** Whether it gives the element digits to compare. Without any, but for an Le of either form, VERIFY asks how many tries are left. */
function isReference(apdu: Uint8Array): boolean {
  const [cla, ins] = apdu;
  const isCompared = ins === p.INS_VERIFY || ins === p.INS_CHANGE_REFERENCE_DATA || ins === p.INS_RESET_RETRY_COUNTER;
  const isQuestion = apdu.length <= 5 || (apdu.length === 7 && apdu[4] === 0);
  return cla === p.CLA_ISO && isCompared && !isQuestion;
}

/** Whether a command may hold what gives tries back; a piece of a chain may hold a piece of it. */
function tellsSecret(apdu: Uint8Array): boolean {
  if (((apdu[0] ?? 0) & p.CLA_CHAIN) !== 0) return true;
  const bytes = Buffer.from(apdu);
  if (apdu[1] === p.INS_RESET_RETRY_COUNTER) return bytes.includes(PUK);
  return bytes.includes(PIN) || bytes.includes(OTHER_PIN);
}

function ruleOf(error: Error): string {
  if (error.name === "AppletTrap") return "trap";
  if (error.name === "EndlessApplet") return "endless";
  return error.name;
}

/** A recording of one chip, and every state in it. Input steps name commands by their index. */
export class ElementTarget implements Target {
  readonly name: string;
  readonly #recording: Recording;
  readonly #victim: Victim;
  readonly #twin: RecordReader;
  readonly #layers = new Map<number, Layer[]>();
  readonly #before = new Map<number, Observation>();
  readonly #starts: readonly number[];
  #runs = 0;

  constructor(recording: Recording, victim: Victim, twin: RecordReader) {
    this.name = recording.name;
    this.#recording = recording;
    this.#victim = victim;
    this.#twin = twin;
    this.#starts = recording.commands.flatMap(({ before }, at) => (before === undefined ? [] : [at]));
  }

  seeds(): Input[] {
    const end = this.#recording.commands.length;
    return this.#starts.map((at) => ({
      target: this.name,
      steps: Array.from({ length: Math.min(SEED_STEPS, end - at) }, (_, i) => ({ base: at + i })),
    }));
  }

  /** Where an input starts: at its first recorded command, or at what the recording has before it. */
  #startOf({ steps }: Input): number {
    const wanted = steps.find(({ base }) => base !== undefined)?.base ?? 0;
    return this.#starts.findLast((at) => at <= wanted) ?? (this.#starts[0] as number);
  }

  #command(index: number): RecordedCommand {
    return this.#recording.commands[Math.min(index, this.#recording.commands.length - 1)] as RecordedCommand;
  }

  #layersOf(index: number): Layer[] {
    const known = this.#layers.get(index);
    if (known !== undefined) return known;
    const layers = this.#recording.knowledge.layersOf(this.#command(index).apdu);
    this.#layers.set(index, layers);
    return layers;
  }

  #observedBefore(start: number): Observation {
    const known = this.#before.get(start);
    if (known !== undefined) return known;
    this.#victim.become(this.#command(start));
    let seen = observe(this.#victim.transmit);
    if (isSilent(seen) && seen.information.life >= p.LIFE_PERSONALISED) {
      verifyPin(this.#victim.transmit, PIN);
      seen = { ...seen, ...holdingsOf(observe(this.#victim.transmit)) };
    }
    this.#before.set(start, seen);
    return seen;
  }

  run(input: Input, reached: (feature: number) => void): void {
    const start = this.#startOf(input);
    const before = this.#observedBefore(start);
    this.#victim.become(this.#command(start));
    this.#victim.countFromZero();
    const happened: Happened = { sent: [], shown: new ShownHalves() };
    const nonces: Nonces = new Map();
    for (const step of input.steps) {
      if (step.power === true) this.#victim.power();
      else for (const apdu of this.#apdus(step, nonces)) this.#send(apdu, happened);
    }
    this.#victim.tell(reached);
    this.#runs += 1;
    this.#check(before, happened, this.#runs % WHOLE_CHECK_EVERY === 0);
  }

  /** What is sent for a step. */
  #apdus(step: Step, nonces: Nonces): Uint8Array[] {
    const { base, layer, bytes, form } = step;
    let apdu = bytes ?? new Uint8Array(0);
    if (base !== undefined) {
      apdu = this.#command(base).apdu;
      if (bytes !== undefined) apdu = rebuiltOr(apdu, () => rebuilt(this.#layersOf(base), layer ?? 0, bytes, nonces));
    }

    return framed(apdu, form).map((each) => each.subarray(0, IO_BYTES));
  }

  #send(apdu: Uint8Array, { sent, shown }: Happened): void {
    sent.push(apdu);
    const response = this.#victim.transmit(apdu);
    shown.watch(response.subarray(0, -2));
    const status = ((response.at(-2) as number) << 8) | (response.at(-1) as number);
    if (!isKnownStatus(status))
      throw new Finding("status", `${toHex(apdu.slice(0, 12))} answered ${status.toString(16)}`);
    const expected = expectedBytes(apdu);
    if (expected !== undefined && response.length - 2 > expected) {
      throw new Finding("length", `${response.length - 2} bytes where ${expected} were asked for`);
    }
    if (status === p.SW_OK && isReference(apdu) && !sent.some(tellsSecret)) {
      throw new Finding("pin", `${toHex(apdu)} is taken, and nobody gave PIN or PUK`);
    }
  }

  #check(before: Observation, happened: Happened, wholly: boolean): void {
    this.#victim.checkFlash();
    if (this.#victim.hasWritten || wholly || happened.shown.isAny) this.#checkSaid(before, happened);
    if (wholly) this.#checkWhole(happened);
  }

  /** What the element says of itself now, beside what it said before. */
  #checkSaid(before: Observation, { sent, shown }: Happened): void {
    const { transmit } = this.#victim;
    let after = observe(transmit);
    const { life } = after.information;
    const isMore = after.pinTries > before.pinTries && before.information.life >= p.LIFE_PERSONALISED;
    if (isMore && !sent.some(tellsSecret)) {
      throw new Finding("pin", "more tries than before, and nobody gave PIN or PUK");
    }
    const mayAsk = life >= p.LIFE_PERSONALISED && life <= p.LIFE_OPERATIONAL && after.pinTries > 0;
    if (mayAsk && isSilent(after) && (after.digest === undefined || after.digest !== before.digest)) {
      verifyPin(transmit, PIN);
      after = { ...after, ...holdingsOf(observe(transmit)) };
    }
    if (before.money !== undefined && after.money !== undefined) checkMoney(before.money, after.money);
    if (before.purses !== undefined && after.purses !== undefined) checkPurses(before.purses, after.purses, shown);
  }

  /** Digest of the store as a cut at this moment would leave it. */
  #mounted(): string {
    try {
      return this.#twin.digest(this.#victim.chipSnapshot(), "the element");
    } catch (error) {
      throw error instanceof StoreMountError ? new Finding("mount", error.message) : error;
    }
  }

  /** A purse says it only with its PIN; undefined when this is not the one any more. */
  #digest(applet: number): string | undefined {
    const { transmit } = this.#victim;
    const digest = digestOf(transmit, applet);
    if (digest !== undefined || verifyPin(transmit, PIN) !== p.SW_OK) return digest;
    return digestOf(transmit, applet);
  }

  /** The store mounts to what it is, the element starts again twice to the same, and takes its owner's PIN. */
  #checkWhole({ sent, shown }: Happened): void {
    this.#victim.checkMemory();
    const { transmit } = this.#victim;
    const { applet } = observe(transmit).information;
    const digest = this.#digest(applet);
    if (digest !== undefined && this.#mounted() !== digest)
      throw new Finding("digest", "the store mounts to something else");
    this.#victim.power();
    const first = observe(transmit);
    const before = this.#digest(applet);
    this.#victim.power();
    if (this.#digest(applet) !== before) throw new Finding("digest", "power came twice, and the store changed");
    if (first.information.life !== p.LIFE_OPERATIONAL || first.pinTries === 0) return;
    const status = verifyPin(transmit, PIN);
    const isChanged = sent.some((apdu) => CHANGES_PIN.has(apdu[1] ?? 0) || apdu[1] === p.INS_STORE_DATA);
    const isOwners = this.#recording.commands.some(({ apdu }) => CHANGES_PIN.has(apdu[1] ?? 0)) || isChanged;
    if (status !== p.SW_OK && !isOwners)
      throw new Finding("probe", `the owner's PIN is answered ${status.toString(16)}`);
    if (status === p.SW_OK) this.#checkListens(applet, { sent: [...sent], shown });
  }

  #checkListens(applet: number, happened: Happened): void {
    const words = applet === p.AID_PURSE ? [[t.COMMAND_PURSE_FIND, NO_ID, 1, 840, 2, null]] : LISTENING;
    for (const [number, ...items] of words)
      this.#send(envelopeCommand(hostEnvelope(number as number, ...items)), happened);
    observe(this.#victim.transmit);
  }

  mutate(input: Input, numbers: Numbers, others: readonly Input[]): Input {
    let steps = [...input.steps];
    const changes = 1 + numbers.below(3);
    for (let i = 0; i < changes; i++) steps = this.#mutatedSteps(steps, numbers, others);
    return { target: this.name, steps: steps.slice(0, STEPS_MAX) };
  }

  #mutatedSteps(steps: Step[], numbers: Numbers, others: readonly Input[]): Step[] {
    const at = numbers.below(steps.length);
    const step = steps[at] as Step;
    const how = numbers.below(20);
    const result = [...steps];
    if (how < 11) result[at] = this.#mutatedStep(step, numbers, others);
    else if (how === 11 && steps.length > 1) result.splice(at, 1);
    else if (how === 12) result.splice(at, 0, step);
    else if (how === 13) result.push({ base: (step.base ?? 0) + 1 }, { base: (step.base ?? 0) + 2 });
    else if (how === 14) result[at] = { ...step, form: numbers.pick(FORMS) };
    else if (how === 15) result.splice(at, 0, { bytes: madeUp(numbers) });
    else if (how === 16) result.splice(at + 1, 0, { bytes: hostOrder(numbers) });
    else if (how === 17)
      result.splice(
        at + 1,
        0,
        ...numbers
          .pick(others)
          .steps.slice(0, 2)
          .map((each) => ({ ...each })),
      );
    else if (how === 18) result.splice(at, 0, { base: numbers.below(this.#recording.commands.length) });
    else if (numbers.oneIn(3)) result.splice(at + 1, 0, { power: true });
    else result.splice(at + 1, 0, { bytes: timeout() });
    return result.length === 0 ? steps : result;
  }

  #mutatedStep(step: Step, numbers: Numbers, others: readonly Input[]): Step {
    const other = this.#pieceOf(others, numbers);
    if (step.base === undefined) return { ...step, bytes: mutated(step.bytes ?? new Uint8Array(0), numbers, other) };
    const layers = this.#layersOf(step.base);
    const isDeeper = step.bytes === undefined || numbers.oneIn(6);
    const layer = isDeeper ? pickLayer(layers, numbers) : Math.min(step.layer ?? 0, layers.length - 1);
    const content = isDeeper ? (layers[layer] as Layer).content : (step.bytes as Uint8Array);
    return { ...step, layer, bytes: mutated(content, numbers, other) };
  }

  /** Something to take pieces from. */
  #pieceOf(others: readonly Input[], numbers: Numbers): Uint8Array {
    const { base, bytes } = numbers.pick(numbers.pick(others).steps);
    if (bytes !== undefined || base === undefined) return bytes ?? new Uint8Array(0);
    const layers = this.#layersOf(base);
    return (layers[pickLayer(layers, numbers)] as Layer).content;
  }
}

/** Most layers are ids and hashes: those that have a structure are taken more often. */
function pickLayer(layers: readonly Layer[], numbers: Numbers): number {
  const layer = numbers.below(layers.length);
  return valueIn((layers[layer] as Layer).content) === undefined ? numbers.below(layers.length) : layer;
}

function rebuiltOr(recorded: Uint8Array, build: () => Uint8Array): Uint8Array {
  try {
    return build();
  } catch (error) {
    // Too long for a frame, or for CBOR.
    if (error instanceof RangeError) return recorded;
    throw error;
  }
}

function expectedBytes(apdu: Uint8Array): number | undefined {
  try {
    return decodeCommand(apdu).answerBytesMax;
  } catch {
    return undefined;
  }
}

/** It has something, and does not say what. */
function isSilent({ information, money, purses }: Observation): boolean {
  const holds = information.applet !== p.AID_TRUSTED_AGENT;
  return holds && money === undefined && purses === undefined;
}

function holdingsOf({ money, purses }: Observation): Pick<Observation, "money" | "purses"> {
  return { money, purses };
}
