/** Commands in other frames, and commands that nobody recorded. */

import * as p from "../../firmware/protocol/apdu.js";
import * as m from "../../firmware/protocol/messages.js";
import * as t from "../../firmware/protocol/tokens.js";
import { type Command, decodeCommand, encodeCommand } from "../../host/apdu.js";
import { concatBytes } from "../../host/codec/bytes.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { hostEnvelope } from "../../host/commands.js";
import type { Numbers } from "./numbers.js";
import type { Form } from "./target.js";

const SHORT_BYTES = 255;
const INSTRUCTIONS = Object.entries(p).flatMap(([name, value]) => (name.startsWith("INS_") ? [value] : []));
const TAGS = Object.entries(p).flatMap(([name, value]) => (name.startsWith("TAG_") ? [value] : []));
const HOST_COMMANDS = Object.entries({ ...m, ...t }).flatMap(([name, value]) =>
  name.startsWith("COMMAND_") ? [value] : [],
);
const KINDS = [
  m.KIND_HOST,
  m.KIND_HANDSHAKE,
  m.KIND_SEALED,
  m.KIND_LINK_OPEN,
  m.KIND_LINK,
  m.KIND_TIMEOUT,
  m.KIND_REFUSAL,
];

/** The command in another frame; what is no command stays as it is. */
export function framed(apdu: Uint8Array, form: Form | undefined): Uint8Array[] {
  if (form === undefined) return [apdu];
  let command: Command;
  try {
    command = decodeCommand(apdu);
  } catch {
    return [apdu];
  }
  if (form === "extended") return [encodeCommand(command, "extended")];
  if (form === "chained" || form === "chain-broken") return chained(command, form === "chain-broken");
  const { answerBytesMax: _, ...without } = command;
  return [encodeCommand(form === "no-le" ? without : { ...command, answerBytesMax: 16 })];
}

function chained(command: Command, isBroken: boolean): Uint8Array[] {
  const { answerBytesMax, data = new Uint8Array(0), ...header } = command;
  const parts: Uint8Array[] = [];
  const size = Math.max(1, Math.min(SHORT_BYTES, Math.ceil(data.length / 2)));
  for (let at = 0; at < data.length; at += size) {
    const isLast = at + size >= data.length;
    const part = { ...header, cla: header.cla | (isLast ? 0 : p.CLA_CHAIN), data: data.subarray(at, at + size) };
    parts.push(encodeCommand(isLast && answerBytesMax !== undefined ? { ...part, answerBytesMax } : part));
  }
  return isBroken ? parts.slice(0, -1) : parts;
}

export function timeout(): Uint8Array {
  return envelopeCommand(Uint8Array.of(m.ADDRESS_HOST, m.KIND_TIMEOUT));
}

export function envelopeCommand(data: Uint8Array): Uint8Array {
  return encodeCommand({ cla: p.CLA_OWN, ins: p.INS_ENVELOPE, p1: 0, p2: 0, data, answerBytesMax: 65_536 });
}

/** Some command of a host, with what such commands have. */
export function hostOrder(numbers: Numbers): Uint8Array {
  const items: CborValue[] = Array.from({ length: numbers.below(5) }, () => {
    const bytes = numbers.bytes(numbers.pick([0, 4, 16, 32, 100]));
    return numbers.pick<CborValue>([
      0,
      1,
      2,
      100,
      250,
      840,
      978,
      1_800_086_400,
      true,
      false,
      null,
      bytes,
      [0, 1],
      [100],
    ]);
  });
  return envelopeCommand(hostEnvelope(numbers.pick(HOST_COMMANDS), ...items));
}

/** A command that nobody recorded. */
export function madeUp(numbers: Numbers): Uint8Array {
  const tag = numbers.pick(TAGS);
  const command = { cla: numbers.pick([0, 0x80, 0x10, 0x90]), ins: numbers.pick(INSTRUCTIONS), p1: 0, p2: 0 };
  switch (numbers.below(6)) {
    case 0:
      return encodeCommand({
        ...command,
        cla: 0,
        ins: p.INS_GET_DATA,
        p1: tag >> 8,
        p2: tag & 0xff,
        answerBytesMax: 65_536,
      });
    case 1:
      return encodeCommand({
        ...command,
        cla: 0,
        ins: p.INS_READ_RECORD,
        p1: 1 + numbers.below(4),
        p2: numbers.pick([0x0c, 0x14, 0x1c, 0x24, 4]),
        answerBytesMax: 256,
      });
    case 2: {
      const body = numbers.oneIn(2) ? numbers.bytes(numbers.below(200)) : encode([numbers.below(50), numbers.below(9)]);
      return envelopeCommand(concatBytes(Uint8Array.of(numbers.below(5), numbers.pick(KINDS)), body));
    }
    case 3:
      return numbers.bytes(numbers.below(40));
    case 4:
      return encodeCommand({
        ...command,
        p1: numbers.below(3),
        p2: numbers.below(256),
        data: numbers.bytes(numbers.below(64)),
      });
    default:
      return encodeCommand({
        ...command,
        p2: numbers.pick([0, 1, 0x81, 7, 15, 127]),
        answerBytesMax: numbers.pick([1, 16, 256, 65_536]),
      });
  }
}
