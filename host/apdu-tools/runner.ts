/**
 * A session on its cards, line by line: scripts, replays and what is typed are one mechanism. What must come back is compared
 * byte by byte, or by its status word alone.
 */

import { ApduClient, encodeCommand, encodeResponse } from "../apdu.js";
import { concatBytes } from "../codec/bytes.js";
import { type Transport, TransportError } from "../transport.js";
import { channelOf } from "./command-table.js";
import { appletAfter, asksForTries, type Context, readCommand } from "./decode-apdu.js";
import type { AppletName } from "./names.js";
import { mismatchAt, type Pattern, statusPattern } from "./pattern.js";
import { filledIn, SessionError, type SessionItem, type SessionLine, type Values, valueBytes } from "./session.js";
import { isGood } from "./status-table.js";
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
    return typeof command === "string" || !asksForTries(command) || (open.status & 0xfff0) !== 0x63c0;
  }

  /** One line. SessionError when it makes no sense, TransportError when the card is gone. */
  async take({
    item,
    number,
  }: SessionLine | { readonly item: SessionItem; readonly number?: number }): Promise<Outcome> {
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
    const found = this.#targets.get(name);
    if (found !== undefined) return found;
    const known = [...this.#targets.keys()].map((each) => `@${each}`).join(", ");
    throw new SessionError(`There is no card @${name} here, only ${known}. Nothing was sent from there on.`, line);
  }

  #compare(pattern: Pattern, line: number | undefined): Comparison {
    const exchange = this.#open;
    if (exchange === undefined) throw new SessionError("An answer is expected, and no command stands before it.", line);
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
    this.#open = { target: this.target, line, item, command, response, status, applet };
    return this.#open;
  }

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
      const response = await transport.transmit(command);
      if (response.length < 2) throw new TransportError(`${transport.name} gave an answer without status word.`);
      return { command, response };
    }
    const command = inLine(line, () =>
      parseSymbolic(filledIn(item.text, this.#options.values), transport.extendedLength),
    );
    const client = this.#clients.get(this.target) ?? new ApduClient(transport);
    this.#clients.set(this.target, client);
    return { command: encodeCommand(command), response: encodeResponse(await client.exchange(command)) };
  }
}

/** What the decoder has to know of an exchange. */
export function contextOf(exchange: Exchange, secrets: boolean): Context {
  return { secrets, ...(exchange.applet === undefined ? {} : { applet: exchange.applet }) };
}

/** A command by name that makes no sense is one of a line. */
function inLine<Result>(line: number | undefined, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (line === undefined || !(error instanceof Error) || (error instanceof SessionError && error.line !== undefined))
      throw error;
    if (!("exitCode" in error) && error.name !== "AmountError") throw error;
    throw error.name === "ValueMissingError" ? error : new SessionError(error.message, line);
  }
}
