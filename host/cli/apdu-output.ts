/** What `tally apdu` prints of commands and answers: for people in two lines and, decoded, in steps; for programs as JSON. */

import type { Command } from "../apdu.js";
import { reasonOf } from "../apdu-tools/command-table.js";
import { decodeCommandApdu, decodeResponseApdu, nameOf, readCommand } from "../apdu-tools/decode-apdu.js";
import { hex16, spacedHex } from "../apdu-tools/names.js";
import { linesOf } from "../apdu-tools/outline.js";
import { printPattern } from "../apdu-tools/pattern.js";
import { type Comparison, contextOf, type Exchange } from "../apdu-tools/runner.js";
import { Secrets } from "../apdu-tools/secrets.js";
import { printItem } from "../apdu-tools/session.js";
import { asksForTries, describeStatus, isGood } from "../apdu-tools/status-table.js";
import { toHex } from "../codec/bytes.js";
import { printable } from "../printable.js";

export interface ShowOptions {
  readonly decode?: boolean;
  readonly secrets?: boolean;
  /** The command stands on the screen already: it was typed there. */
  readonly isTyped?: boolean;
}

/** One for a process: the same value has the same name all the while. */
const hidden = new Secrets();

/** The command as it was given; digits of a PIN only if they are asked for. */
function commandText(exchange: Exchange, secrets: boolean): string {
  const { item, command } = exchange;
  if (secrets) return printable(printItem(item));
  const safe = hidden.hide(command);
  // What names nothing secret is shown as it was typed.
  const isSafe = safe.kind === "apdu" && safe.parts.every((part) => part instanceof Uint8Array);
  return isSafe ? printable(printItem(item)) : printItem(safe);
}

const INDENT = 2;

export function exchangeLines(exchange: Exchange, options: ShowOptions): string[] {
  const secrets = options.secrets === true;
  const context = contextOf(exchange, secrets);
  const sent = options.isTyped === true ? [] : [commandText(exchange, secrets)];
  const received = `< ${spacedHex(exchange.response)}`;
  if (options.decode !== true) return [...sent, received, ...refusalLines(exchange)];
  const command = linesOf(decodeCommandApdu(exchange.command, context), INDENT);
  return [
    ...sent,
    ...command,
    received,
    ...linesOf(decodeResponseApdu(exchange.response, context, exchange.command), INDENT),
  ];
}

/** Of a status word that is no success: what it means, and what this command says by it. */
function refusalLines({ status, command: apdu }: Exchange): string[] {
  if (isGood(status)) return [];
  const command = asCommand(apdu);
  const reason = refusalReason(status, command);
  return [
    `    ${hex16(status)}: ${describeStatus(status, command)}`,
    ...(reason === undefined ? [] : [`    of this command: ${reason}`]),
  ];
}

function refusalReason(status: number, command: Command | undefined): string | undefined {
  const isAnswer = command === undefined || isGood(status) || asksForTries(command);
  return isAnswer ? undefined : reasonOf(command, status);
}

function asCommand(apdu: Uint8Array): Command | undefined {
  const command = readCommand(apdu);
  return typeof command === "string" ? undefined : command;
}

export function exchangeJson(exchange: Exchange, options: ShowOptions) {
  const secrets = options.secrets === true;
  const context = contextOf(exchange, secrets);
  const [cla = 0, ins = 0, p1 = 0, p2 = 0] = exchange.command;
  const command = asCommand(exchange.command);
  const reason = refusalReason(exchange.status, command);
  return {
    target: exchange.target,
    ...(exchange.line === undefined ? {} : { line: exchange.line }),
    name: nameOf({ cla, ins, p1, p2 }) ?? null,
    command: commandText(exchange, secrets).slice(INDENT),
    response: toHex(exchange.response),
    status: hex16(exchange.status),
    meaning: describeStatus(exchange.status, command),
    ...(reason === undefined ? {} : { reason }),
    ...(options.decode === true
      ? {
          decodedCommand: decodeCommandApdu(exchange.command, context),
          decodedResponse: decodeResponseApdu(exchange.response, context, exchange.command),
        }
      : {}),
  };
}

/** Expected, got, and where they part, with both decoded as far as they go. */
export function mismatchLines(comparison: Comparison, options: ShowOptions): string[] {
  const { exchange, pattern, mismatch, line } = comparison;
  if (mismatch === undefined) return [];
  const where = line === undefined ? "" : `line ${line}: `;
  const at =
    mismatch >= exchange.response.length
      ? `the answer ends after ${exchange.response.length} bytes, too early`
      : `byte ${mismatch + 1} of the answer is ${spacedHex(exchange.response.subarray(mismatch, mismatch + 1))}`;
  const context = contextOf(exchange, options.secrets === true);
  return [
    `  !! ${where}not as expected: ${at}`,
    `     expected  ${printPattern(pattern)}`,
    `     got       ${spacedHex(exchange.response)}`,
    ...linesOf(decodeResponseApdu(exchange.response, context, exchange.command), INDENT + 1),
  ];
}

export function comparisonJson({ exchange, pattern, mismatch, line }: Comparison) {
  return {
    ...(line === undefined ? {} : { line }),
    target: exchange.target,
    expected: printPattern(pattern),
    got: toHex(exchange.response),
    ...(mismatch === undefined ? { matches: true } : { matches: false, firstDifferentByte: mismatch }),
  };
}
