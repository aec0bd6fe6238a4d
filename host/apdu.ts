/**
 * Command and response APDUs (ISO/IEC 7816-4): the four cases in short and extended length, command chaining,
 * GET RESPONSE, and a client that hides all of it. `docs/APDU.md` lists the commands.
 */

import {
  CLA_CHAIN,
  CLA_ISO,
  INS_GET_RESPONSE,
  SW_FETCH,
  SW_MORE,
  SW_OK,
  SW_WRONG_LE,
} from "../firmware/protocol/apdu.js";
import { concatBytes } from "./codec/bytes.js";
import { StatusWordError } from "./status-words.js";
import { type Transport, TransportError } from "./transport.js";

/** Longest data field and answer of each form. */
export const SHORT_DATA_BYTES_MAX = 255;
export const SHORT_ANSWER_BYTES_MAX = 256;
export const EXTENDED_DATA_BYTES_MAX = 65_535;
export const EXTENDED_ANSWER_BYTES_MAX = 65_536;
/** An answer that keeps asking to be continued beyond this is not one of ours. */
const ANSWER_PARTS_MAX = 512;

export interface Command {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  /** Empty or absent: the command has no data field. */
  readonly data?: Uint8Array;
  /** Longest answer wanted, Ne; absent: none. */
  readonly answerBytesMax?: number;
}

export interface Response {
  readonly data: Uint8Array;
  readonly status: number;
}

/** Bytes that are not an APDU. */
export class ApduFormatError extends Error {
  constructor(what: string) {
    super(`${what} The card and this program do not understand each other; no money moved by this command.`);
    this.name = "ApduFormatError";
  }
}

/** The bytes of a command, in short form if everything fits, else in extended form. */
export function encodeCommand(command: Command, form?: "short" | "extended"): Uint8Array {
  const data = command.data ?? new Uint8Array(0);
  const answer = command.answerBytesMax ?? 0;
  checkCommand(command, data.length, answer);
  const short = data.length <= SHORT_DATA_BYTES_MAX && answer <= SHORT_ANSWER_BYTES_MAX;
  if (form === "short" && !short) {
    throw new RangeError("command: data or answer too long for a short APDU");
  }
  return short && form !== "extended" ? encodeShort(command, data, answer) : encodeExtended(command, data, answer);
}

function isByte(value: number): boolean {
  return (value & 0xff) === value;
}

function checkCommand(command: Command, dataLength: number, answer: number): void {
  const { cla, ins, p1, p2 } = command;
  if (!isByte(cla) || !isByte(ins) || !isByte(p1) || !isByte(p2)) {
    const name = (["cla", "ins", "p1", "p2"] as const).find((each) => !isByte(command[each]));
    throw new RangeError(`command.${name}: not a byte`);
  }
  if (dataLength > EXTENDED_DATA_BYTES_MAX) throw new RangeError("command.data: more than 65535 bytes");
  if (!Number.isInteger(answer) || answer < 0 || answer > EXTENDED_ANSWER_BYTES_MAX) {
    throw new RangeError("command.answerBytesMax: not from 0 to 65536");
  }
}

/** CLA INS P1 P2 [Lc data] [Le]; an Le of 256 is written 00. */
function encodeShort(command: Command, data: Uint8Array, answer: number): Uint8Array {
  const apdu = new Uint8Array(4 + (data.length > 0 ? 1 + data.length : 0) + (answer > 0 ? 1 : 0));
  putHeader(apdu, command);
  if (data.length > 0) {
    apdu[4] = data.length;
    apdu.set(data, 5);
  }
  if (answer > 0) apdu[apdu.length - 1] = answer & 0xff;
  return apdu;
}

/** CLA INS P1 P2 [00 Lc Lc data] [Le Le]; without data the Le has the leading 00. An Le of 65536 is written 0000. */
function encodeExtended(command: Command, data: Uint8Array, answer: number): Uint8Array {
  const withData = data.length > 0;
  const answerField = answer === 0 ? 0 : withData ? 2 : 3;
  const apdu = new Uint8Array(4 + (withData ? 3 + data.length : 0) + answerField);
  putHeader(apdu, command);
  if (withData) {
    apdu[5] = data.length >> 8;
    apdu[6] = data.length & 0xff;
    apdu.set(data, 7);
  }
  if (answer > 0) {
    apdu[apdu.length - 2] = (answer >> 8) & 0xff;
    apdu[apdu.length - 1] = answer & 0xff;
  }
  return apdu;
}

function putHeader(apdu: Uint8Array, command: Command): void {
  apdu[0] = command.cla;
  apdu[1] = command.ins;
  apdu[2] = command.p1;
  apdu[3] = command.p2;
}

/** The command in the bytes of an APDU; what `encodeCommand` made comes back. */
export function decodeCommand(apdu: Uint8Array): Command {
  if (apdu.length < 4) throw new ApduFormatError("A command APDU of less than 4 bytes.");
  const [cla, ins, p1, p2] = apdu as unknown as [number, number, number, number];
  const header = { cla, ins, p1, p2 };
  const body = apdu.subarray(4);
  const first = body[0];
  if (first === undefined) return header;
  if (body.length === 1) return { ...header, answerBytesMax: first === 0 ? SHORT_ANSWER_BYTES_MAX : first };
  return first === 0 ? decodeExtended(header, body) : decodeShort(header, body, first);
}

type Header = Pick<Command, "cla" | "ins" | "p1" | "p2">;

function decodeShort(header: Header, body: Uint8Array, length: number): Command {
  const rest = body.length - 1 - length;
  if (rest !== 0 && rest !== 1) throw new ApduFormatError("A command APDU whose length field does not fit.");
  const data = body.slice(1, 1 + length);
  if (rest === 0) return { ...header, data };
  const last = body[body.length - 1] ?? 0;
  return { ...header, data, answerBytesMax: last === 0 ? SHORT_ANSWER_BYTES_MAX : last };
}

function decodeExtended(header: Header, body: Uint8Array): Command {
  if (body.length < 3) throw new ApduFormatError("An extended command APDU that ends in its length field.");
  const at = (offset: number) => ((body[offset] ?? 0) << 8) | (body[offset + 1] ?? 0);
  const length = at(1);
  if (body.length === 3) return { ...header, answerBytesMax: length === 0 ? EXTENDED_ANSWER_BYTES_MAX : length };
  const rest = body.length - 3 - length;
  if (length === 0 || (rest !== 0 && rest !== 2)) {
    throw new ApduFormatError("An extended command APDU whose length field does not fit.");
  }
  const data = body.slice(3, 3 + length);
  if (rest === 0) return { ...header, data };
  const answer = at(3 + length);
  return { ...header, data, answerBytesMax: answer === 0 ? EXTENDED_ANSWER_BYTES_MAX : answer };
}

export function encodeResponse(response: Response): Uint8Array {
  const bytes = new Uint8Array(response.data.length + 2);
  bytes.set(response.data);
  bytes[bytes.length - 2] = response.status >> 8;
  bytes[bytes.length - 1] = response.status & 0xff;
  return bytes;
}

export function decodeResponse(bytes: Uint8Array): Response {
  const at = bytes.length - 2;
  if (at < 0) throw new ApduFormatError("A response APDU without status word.");
  return { data: bytes.subarray(0, at), status: ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0) };
}

/** 9000, or 91xx: done, and an envelope waits. */
export function isSuccess(status: number): boolean {
  return status === SW_OK || (status & 0xff00) === SW_FETCH;
}

/** The command in pieces of a short APDU each, all but the last marked as chained. */
export function chainedCommands(command: Command, pieceBytesMax = SHORT_DATA_BYTES_MAX): Command[] {
  const data = command.data ?? new Uint8Array(0);
  if (data.length <= pieceBytesMax) return [command];
  const commands: Command[] = [];
  for (let at = 0; at < data.length; at += pieceBytesMax) {
    const piece = data.subarray(at, at + pieceBytesMax);
    const header = { ins: command.ins, p1: command.p1, p2: command.p2, data: piece };
    if (at + pieceBytesMax < data.length) commands.push({ ...header, cla: command.cla | CLA_CHAIN });
    else commands.push({ ...command, data: piece });
  }
  return commands;
}

/** Counts of what went over a transport, for benchmarks and tests. */
export interface Traffic {
  apdus: number;
  bytes: number;
}

/** Sends commands over a transport and gives complete answers, whatever lengths the transport can carry. */
export class ApduClient {
  readonly transport: Transport;
  readonly traffic: Traffic = { apdus: 0, bytes: 0 };
  #tail: Promise<unknown> = Promise.resolve();
  #pending = 0;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** The complete answer, whatever its status. Commands of concurrent callers follow one another, chains in one piece. */
  async exchange(command: Command): Promise<Response> {
    if (this.#pending === 0) return this.#counted(this.#exchange(command));
    return this.#counted(this.#tail.then(() => this.#exchange(command)));
  }

  /** As `exchange`, and any status but success is thrown. */
  async send(command: Command): Promise<Response> {
    const response = await this.exchange(command);
    if (!isSuccess(response.status)) throw new StatusWordError(response.status, command.ins);
    return response;
  }

  /**
   * As `send`, but without a promise where the transport answers at once: a purchase is some eighty APDUs, and none of
   * them should wait for the others' turns.
   */
  sendNow(command: Command): Response | Promise<Response> {
    if (this.#pending > 0 || !this.transport.extendedLength) return this.send(command);
    const first = this.#transmitOnce(command);
    if (!(first instanceof Promise) && isSuccess(first.status)) return first;
    return this.#counted(this.#finish(command, first));
  }

  /** What is left to do of a command whose first answer may be on its way, in parts, or a refusal. */
  async #finish(command: Command, first: Response | Promise<Response>): Promise<Response> {
    let response = await first;
    if (isWrongLe(response)) response = await this.#transmitOnce(withRightLe(command, response));
    if ((response.status & 0xff00) === SW_MORE) response = await this.#rest(response);
    if (!isSuccess(response.status)) throw new StatusWordError(response.status, command.ins);
    return response;
  }

  async #counted(work: Promise<Response>): Promise<Response> {
    this.#pending += 1;
    this.#tail = work.catch(() => undefined);
    try {
      return await work;
    } finally {
      this.#pending -= 1;
    }
  }

  async #exchange(command: Command): Promise<Response> {
    const first = this.transport.extendedLength ? await this.#transmit(command) : await this.#transmitChained(command);
    return (first.status & 0xff00) === SW_MORE ? this.#rest(first) : first;
  }

  async #transmitChained(command: Command): Promise<Response> {
    const answer = command.answerBytesMax ?? 0;
    const short = answer > SHORT_ANSWER_BYTES_MAX ? { ...command, answerBytesMax: SHORT_ANSWER_BYTES_MAX } : command;
    let response: Response = { data: new Uint8Array(0), status: SW_OK };
    for (const piece of chainedCommands(short)) {
      response = await this.#transmit(piece);
      if (!isSuccess(response.status) && (response.status & 0xff00) !== SW_MORE) return response;
    }
    return response;
  }

  /** GET RESPONSE until the last part. */
  async #rest(first: Response): Promise<Response> {
    const parts = [first.data];
    let status = first.status;
    while ((status & 0xff00) === SW_MORE) {
      if (parts.length > ANSWER_PARTS_MAX) throw new ApduFormatError("An answer without end.");
      const answerBytesMax = (status & 0xff) === 0 ? SHORT_ANSWER_BYTES_MAX : status & 0xff;
      const part = await this.#transmit({ cla: CLA_ISO, ins: INS_GET_RESPONSE, p1: 0, p2: 0, answerBytesMax });
      parts.push(part.data);
      status = part.status;
    }
    return { data: concatBytes(...parts), status };
  }

  /** One APDU; with another Le once more if the card says which. */
  async #transmit(command: Command): Promise<Response> {
    const response = await this.#transmitOnce(command);
    return isWrongLe(response) ? this.#transmitOnce(withRightLe(command, response)) : response;
  }

  #transmitOnce(command: Command): Response | Promise<Response> {
    const apdu = encodeCommand(command);
    const answer = this.transport.transmit(apdu);
    if (answer instanceof Uint8Array) return this.#received(apdu, answer);
    return answer.then((bytes) => this.#received(apdu, bytes));
  }

  #received(apdu: Uint8Array, bytes: Uint8Array): Response {
    this.traffic.apdus += 1;
    this.traffic.bytes += apdu.length + bytes.length;
    if (bytes.length < 2) throw new TransportError(`${this.transport.name} gave an answer without status word.`);
    return decodeResponse(bytes);
  }
}

function isWrongLe({ status }: Response): boolean {
  return (status & 0xff00) === SW_WRONG_LE;
}

function withRightLe(command: Command, { status }: Response): Command {
  const right = status & 0xff;
  return { ...command, answerBytesMax: right === 0 ? SHORT_ANSWER_BYTES_MAX : right };
}
