/** The messages between buyer, seller and issuers, with the faults that strike them. */

import type { Fault, MessageFault } from "./faults.js";

/** The line broke: whoever sent does not know whether what it sent came. */
export class LineBroken extends Error {
  override readonly name = "LineBroken";

  constructor(what: string) {
    super(`the line broke: ${what}`);
  }
}

/** A message of the way, and how many byte strings it and its answer have. */
export interface Sent {
  readonly what: string;
  readonly parts: number;
  answerParts: number;
}

interface Message {
  readonly what: string;
  readonly parts: readonly Uint8Array[];
  readonly deliver: (parts: readonly Uint8Array[]) => Promise<unknown>;
}

export class Wire {
  readonly sent: Sent[] = [];
  /** Faults that found what they strike. */
  readonly struck = new Set<Fault>();
  /** Told of what happens, for whoever shows a way as a sequence. */
  note: (line: string) => void = () => {};
  /** Called before the message of this number is sent. */
  before: (message: number) => Promise<void> = () => Promise.resolve();
  readonly #faults: readonly Fault[];
  /** Comes after the next message. */
  #late: Message[] = [];
  /** Comes when all is over. */
  #stale: Message[] = [];

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  async send<Result>(
    what: string,
    parts: readonly Uint8Array[],
    deliver: (parts: readonly Uint8Array[]) => Promise<Result>,
  ): Promise<Result> {
    const number = this.sent.length;
    const sent: Sent = { what, parts: parts.length, answerParts: 0 };
    this.sent.push(sent);
    await this.before(number);
    const late = this.#late;
    this.#late = [];
    const fault = this.#faultOf(number);
    this.note(`${number} ${what}${fault === undefined ? "" : ` *** ${JSON.stringify(fault)}`}`);
    try {
      const answer = await this.#carried({ what, parts, deliver }, fault);
      sent.answerParts = partsOf(answer).length;
      this.note(`${number} ${what}: answered`);
      return this.#answered(answer, fault) as Result;
    } catch (error) {
      this.note(`${number} ${what}: ${error instanceof Error ? error.message.slice(0, 100) : String(error)}`);
      throw error;
    } finally {
      for (const each of late) await this.#deliverOld(each);
    }
  }

  #faultOf(number: number): MessageFault | undefined {
    const found = this.#faults.find((each) => each.kind === "message" && each.message === number);
    if (found === undefined || found.kind !== "message") return undefined;
    this.struck.add(found);
    return found.fault;
  }

  async #carried(message: Message, fault: MessageFault | undefined): Promise<unknown> {
    const { deliver, parts, what } = message;
    switch (fault) {
      case "lose":
        throw new LineBroken(what);
      case "late":
        this.#late.push(message);
        throw new LineBroken(what);
      case "stale":
        this.#stale.push(message);
        throw new LineBroken(what);
      case "lose-answer":
        await deliver(parts).catch(() => undefined);
        throw new LineBroken(what);
      case "again":
        this.#stale.push(message);
        return deliver(parts);
      case "repeat": {
        const first = await deliver(parts);
        await deliver(parts).catch(() => undefined);
        return first;
      }
      case "together": {
        const [first] = await Promise.allSettled([deliver(parts), deliver(parts)]);
        if (first?.status === "rejected") throw first.reason;
        return first?.value;
      }
      case undefined:
        return deliver(parts);
      default:
        return deliver(fault.alters === "message" ? parts.map((part, at) => altered(part, at, fault)) : parts);
    }
  }

  #answered(answer: unknown, fault: MessageFault | undefined): unknown {
    if (typeof fault !== "object" || fault.alters !== "answer") return answer;
    let at = 0;
    return mapParts(answer, (part) => altered(part, at++, fault));
  }

  /** What was kept back comes at last; who is dead by then does not hear it. */
  async flush(): Promise<void> {
    for (const message of [...this.#late.splice(0), ...this.#stale.splice(0)]) await this.#deliverOld(message);
  }

  async #deliverOld({ what, parts, deliver }: Message): Promise<void> {
    this.note(`${what} comes, too late or again`);
    await deliver(parts).then(
      () => this.note(`${what}: taken`),
      (error: unknown) => this.note(`${what}: ${error instanceof Error ? error.message.slice(0, 100) : String(error)}`),
    );
  }
}

type Alteration = Exclude<MessageFault, string>;

function altered(part: Uint8Array, at: number, { part: wanted, end }: Alteration): Uint8Array {
  if (at !== wanted) return part;
  const changed = part.slice();
  const place = end === "first" ? 0 : changed.length - 1;
  changed[place] = (changed[place] ?? 0) ^ 1;
  return changed;
}

/** The byte strings of an answer, in their order. */
export function partsOf(value: unknown): Uint8Array[] {
  const parts: Uint8Array[] = [];
  mapParts(value, (part) => {
    parts.push(part);
    return part;
  });
  return parts;
}

function mapParts(value: unknown, change: (part: Uint8Array) => Uint8Array): unknown {
  if (value instanceof Uint8Array) return change(value);
  if (Array.isArray(value)) return value.map((each) => mapParts(each, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mapParts(each, change)]));
}
