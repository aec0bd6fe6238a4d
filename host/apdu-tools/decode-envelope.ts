/** Envelopes as steps: address, kind, and the body as far as a host may see it (firmware/protocol/messages.ts). */

import * as m from "../../firmware/protocol/messages.js";
import type { AppletName } from "../applets.js";
import { reasonSentence } from "../reasons.js";
import { integerOf } from "../tlv.js";
import { type DecodeOptions, decodeCbor, namedItems, plainItem } from "./decode-cbor.js";
import { bytesInDiagnostic } from "./diagnostic.js";
import { HOST_COMMANDS, type Message, NOTICES } from "./message-table.js";
import { ADDRESSES, ENVELOPE_KINDS, named, PURPOSES } from "./names.js";
import { faultAt, type Step, step } from "./outline.js";

/** Which way it goes: to an element the address is the source, from one it is the destination. */
export type Direction = "to" | "from";

export function decodeEnvelope(
  bytes: Uint8Array,
  direction: Direction,
  options: DecodeOptions,
  applet?: AppletName,
): Step {
  const [address, kind] = bytes;
  if (address === undefined || kind === undefined) {
    return faultAt("envelope", "it ends before its address and kind", bytesInDiagnostic(bytes));
  }
  const body = bytes.subarray(2);
  return step("envelope", `${bytes.length} bytes`, [
    step(direction === "to" ? "from" : "to", named(ADDRESSES, address)),
    step("kind", named(ENVELOPE_KINDS, kind)),
    bodyStep(kind, body, direction, options, applet),
  ]);
}

function bodyStep(
  kind: number,
  body: Uint8Array,
  direction: Direction,
  options: DecodeOptions,
  applet?: AppletName,
): Step {
  switch (kind) {
    case m.KIND_HOST:
      return direction === "to"
        ? messageStep("command", HOST_COMMANDS, body, options, applet)
        : messageStep("notice", NOTICES, body, options, applet);
    case m.KIND_HANDSHAKE:
      return handshake(body);
    case m.KIND_SEALED:
      return step("sealed message", `${body.length} bytes under the session's key`);
    case m.KIND_LINK_OPEN:
      return body.length === 32
        ? step("random bytes", bytesInDiagnostic(body))
        : faultAt("random bytes", "not 32 bytes", bytesInDiagnostic(body));
    case m.KIND_LINK:
      return link(body);
    case m.KIND_TIMEOUT:
      return body.length === 0 ? step("body", "none") : faultAt("body", "it should have none", bytesInDiagnostic(body));
    case m.KIND_REFUSAL: {
      const reason = Number(integerOf(body.subarray(0, 1)));
      return body.length === 1
        ? step("reason", `${reason} (${reasonSentence(reason)})`)
        : faultAt("reason", "not one byte", bytesInDiagnostic(body));
    }
    default:
      return faultAt("body", "a kind that there is not", bytesInDiagnostic(body));
  }
}

/** Purpose, step, Noise message: its payload is sealed from message 2 on. */
function handshake(body: Uint8Array): Step {
  const [purpose, number] = body;
  if (purpose === undefined || number === undefined) return faultAt("handshake", "it ends too early");
  return step("handshake", undefined, [
    step("purpose", named(PURPOSES, purpose)),
    number >= 1 && number <= 3
      ? step("message", `${number} of 3`)
      : faultAt("message", "there are three", String(number)),
    step("Noise message", `${body.length - 2} bytes${number > 1 ? ", sealed" : ""}`),
  ]);
}

function link(body: Uint8Array): Step {
  const [epoch] = body;
  if (epoch === undefined) return faultAt("link", "it ends before its epoch");
  const key =
    epoch === 0 ? "the pairing key" : epoch === 1 ? "the key of agents and modules" : "a key that there is not";
  return step("sealed message", `${body.length - 1} bytes under ${key}`);
}

function messageStep(
  title: string,
  table: readonly Message[],
  body: Uint8Array,
  options: DecodeOptions,
  applet?: AppletName,
): Step {
  return decodeCbor(title, body, (item) => {
    const [number, ...rest] = item.kind === "array" ? item.items : [];
    if (number?.kind !== "integer")
      return { ...plainItem(title, item), fault: "an array that begins with a number was expected" };
    const known = table.filter((each) => BigInt(each.number) === number.value);
    const message = known.find(({ applets }) => applet !== undefined && applets.includes(applet)) ?? known[0];
    if (message === undefined) return { ...plainItem(title, item), fault: `number ${number.value} is not known` };
    const shown = step(title, `${message.name} (${message.number})`, namedItems(rest, message.fields, options));
    const surplus = rest.length - message.fields.length;
    return surplus > 0 && !message.isOpen ? { ...shown, fault: `${surplus} items more than it should have` } : shown;
  });
}
