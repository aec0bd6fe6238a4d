/**
 * A session on its cards, line by line: scripts, replays and what is typed are one mechanism. What must come back is compared
 * byte by byte, or by its status word alone.
 */

import { INS_GET_CHALLENGE, SW_OK, SW_WARNING_TRIES } from "../../firmware/protocol/apdu.js";
import { ApduClient, encodeCommand, encodeResponse } from "../apdu.js";
import type { AppletName } from "../applets.js";
import { concatBytes } from "../codec/bytes.js";
import { openingProof } from "../provision.js";
import { type Transport, TransportError } from "../transport.js";
import { channelOf } from "./command-table.js";
import { appletAfter, type Context, readCommand } from "./decode-apdu.js";
import { mismatchAt, type Pattern, statusPattern } from "./pattern.js";
import { filledIn, type NumberedItem, SessionError, type SessionItem, type Values, valueBytes } from "./session.js";
import { inLine, KEY, PROOF, refuseAnswer, refuseTarget } from "./session-check.js";
import { asksForTries, isGood } from "./status-table.js";
import { parseSymbolic } from "./symbolic.js";

/** A card that a session talks to. */
export interface Target {
  /** Behind "@". */
  readonly name: string;
  readonly transport: Transport;
  /** The applet that is asked before any SELECT, where it is known. */
  readonly applet?: AppletName;
}

export interface Exchange {
  readonly target: string;
  readonly line: number | undefined;
  /** As it stands in the session: placeholders are not filled in. */
  readonly item: SessionItem;
  readonly command: Uint8Array;
  /** With its status word; of a command by name the whole answer. */
  readonly response: Uint8Array;
  readonly status: number;
  readonly applet: AppletName | undefined;
}

export type Outcome =
  | { readonly kind: "nothing" }
  | { readonly kind: "reset"; readonly target: string }
  | { readonly kind: "target"; readonly target: string }
  | { readonly kind: "exchange"; readonly exchange: Exchange }
  | Comparison;

export interface Comparison {
  readonly kind: "comparison";
  readonly exchange: Exchange;
  readonly pattern: Pattern;
  readonly line: number | undefined;
  /** The first byte that differs; absent: as expected. */
  readonly mismatch?: number;
}

export interface RunnerOptions {
  readonly values: Values;
  readonly statusOnly?: boolean;
}

export class SessionRunner {
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #options: RunnerOptions;
  readonly #clients = new Map<string, ApduClient>();
  /** By target and channel. */
  readonly #applets = new Map<string, AppletName | undefined>();
  /** The last challenge of each target. */
  readonly #challenges = new Map<string, Uint8Array>();
  #current: Target;
  /** The last exchange, as long as nothing was said of its answer. */
  #open: Exchange | undefined;
  #mismatches = 0;
  #refusals = 0;

  constructor(targets: readonly Target[], options: RunnerOptions) {
    const [first] = targets;
    if (first === undefined) throw new RangeError("targets: at least one card");
    this.#targets = new Map(targets.map((target) => [target.name, target]));
    this.#options = options;
    this.#current = first;
  }

  get target(): string {
    return this.#current.name;
  }

  /** Whether everything was as expected so far, and no card refused what nobody expected it to. */
  get isAsExpected(): boolean {
    return this.#mismatches === 0 && this.#refusals === 0 && !this.#isRefused();
  }

  /** The last command was refused, and nobody has said yet that this was to be expected. */
  #isRefused(): boolean {
    const open = this.#open;
    if (open === undefined || isGood(open.status)) return false;
    const command = readCommand(open.command);
    return typeof command === "string" || !asksForTries(command) || (open.status & 0xfff0) !== SW_WARNING_TRIES;
  }

  /** One line. SessionError when it makes no sense, TransportError when the card is gone. */
  async take({ item, number }: NumberedItem): Promise<Outcome> {
    switch (item.kind) {
      case "blank":
      case "comment":
        return { kind: "nothing" };
      case "expect":
        return this.#compare(item.pattern, number);
      case "target":
        this.#settle();
        this.#current = this.#targetNamed(item.name, number);
        return { kind: "target", target: item.name };
      case "reset":
        this.#settle();
        await this.#current.transport.reset();
        for (const key of [...this.#applets.keys()]) if (key.startsWith(`${this.target}/`)) this.#applets.delete(key);
        return { kind: "reset", target: this.target };
      default:
        this.#settle();
        return { kind: "exchange", exchange: await this.#send(item, number) };
    }
  }

  #settle(): void {
    if (this.#isRefused()) this.#refusals += 1;
    this.#open = undefined;
  }

  #targetNamed(name: string, line: number | undefined): Target {
    return this.#targets.get(name) ?? refuseTarget(name, [...this.#targets.keys()], line);
  }

  #compare(pattern: Pattern, line: number | undefined): Comparison {
    const exchange = this.#open;
    if (exchange === undefined) return refuseAnswer(line);
    this.#open = undefined;
    const wanted = this.#options.statusOnly === true ? statusPattern(pattern) : pattern;
    const mismatch = mismatchAt(wanted, exchange.response);
    if (mismatch !== undefined) this.#mismatches += 1;
    return { kind: "comparison", exchange, pattern: wanted, line, ...(mismatch === undefined ? {} : { mismatch }) };
  }

  async #send(item: Extract<SessionItem, { kind: "apdu" | "symbolic" }>, line: number | undefined): Promise<Exchange> {
    const { transport } = this.#current;
    const { command, response } = await this.#carried(item, transport, line);
    const key = `${this.target}/${channelOf(command[0] ?? 0)}`;
    const before = this.#applets.has(key) ? this.#applets.get(key) : this.#current.applet;
    const applet = appletAfter(command, response, before);
    this.#applets.set(key, applet);
    const status = ((response.at(-2) ?? 0) << 8) | (response.at(-1) ?? 0);
    if (command[1] === INS_GET_CHALLENGE && status === SW_OK) this.#challenges.set(this.target, response.slice(0, -2));
    this.#open = { target: this.target, line, item, command, response, status, applet };
    return this.#open;
  }

  /** {proof} is made of {key} and the last challenge: nobody can know it beforehand. */
  readonly #value: Values = (name) => {
    const given = this.#options.values(name);
    const challenge = this.#challenges.get(this.target);
    if (given !== undefined || name !== PROOF || challenge === undefined) return given;
    return this.#options.values(KEY) === undefined
      ? undefined
      : openingProof(valueBytes(this.#options.values, KEY), challenge);
  };

  async #carried(
    item: Extract<SessionItem, { kind: "apdu" | "symbolic" }>,
    transport: Transport,
    line: number | undefined,
  ) {
    if (item.kind === "apdu") {
      const { values } = this.#options;
      const parts = item.parts.map((part) =>
        part instanceof Uint8Array ? part : valueBytes(values, part.placeholder),
      );
      const command = concatBytes(...parts);
      const response = await transmitted(transport, command, line);
      if (response.length < 2) throw new TransportError(`${transport.name} gave an answer without status word.`);
      return { command, response };
    }
    const command = inLine(line, () => parseSymbolic(filledIn(item.text, this.#value), transport.extendedLength));
    const client = this.#clients.get(this.target) ?? new ApduClient(transport);
    this.#clients.set(this.target, client);
    return { command: encodeCommand(command), response: encodeResponse(await client.exchange(command)) };
  }
}

/** What the decoder has to know of an exchange. */
export function contextOf(exchange: Exchange, secrets: boolean): Context {
  return { secrets, ...(exchange.applet === undefined ? {} : { applet: exchange.applet }) };
}

/** Simulated chips refuse what no reader would carry to them. */
async function transmitted(transport: Transport, command: Uint8Array, line: number | undefined): Promise<Uint8Array> {
  try {
    return await transport.transmit(command);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SessionError(`A command of ${command.length} bytes is longer than ${transport.name} takes.`, line);
  }
}
