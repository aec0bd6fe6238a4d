/** Cards with real chips for tests: blank, or with a PIN. */

import { AID_MONEY_MODULE, AID_PURSE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import { aidOf } from "../../host/applets.js";
import { fromHex } from "../../host/codec/bytes.js";
import type { Transport } from "../../host/transport.js";
import { type AppletName, shippedApplet } from "../../simulator/applet-files.js";
import type { CardProtocol } from "../../simulator/card/atr.js";
import { Card, type CardApplication, type ReadableCard } from "../../simulator/card/card.js";
import { T0Card } from "../../simulator/card/t0.js";
import { Element } from "../../simulator/element.js";
import { testChip } from "./firmware.js";

export const MODULE = aidOf(AID_MONEY_MODULE);
export const AGENT = aidOf(AID_TRUSTED_AGENT);
export const PURSE = aidOf(AID_PURSE);

/** A personalisation key that a blank chip takes. */
export const KEY = Array.from({ length: 32 }, (_, index) =>
  ((index * 37 + 11) & 0xff).toString(16).padStart(2, "0"),
).join("");

const APPLETS: readonly (readonly [Uint8Array, AppletName])[] = [
  [MODULE, "money-module"],
  [AGENT, "trusted-agent"],
  [PURSE, "purse"],
];

/** Blank chips, the same for the same seed; without power. */
export function blankApplications(seed: string): CardApplication[] {
  return APPLETS.map(([aid, name]) => ({
    aid,
    element: new Element(shippedApplet(name), testChip(`${seed} ${name}`)),
  }));
}

export function cardOf(applications: readonly CardApplication[], protocol: CardProtocol): ReadableCard {
  const card = new Card(applications, protocol);
  return protocol === "T=0" ? new T0Card(card) : card;
}

/** "00 a4 04" as bytes. */
export function bytesOf(text: string): Uint8Array {
  return fromHex(text.replaceAll(" ", "").toLowerCase());
}

export function select(aid: Uint8Array, channel = 0): Uint8Array {
  return Uint8Array.of(channel, 0xa4, 0x04, 0x00, aid.length, ...aid, 0x00);
}

/** A card as a host reaches it. */
export function transportTo(card: ReadableCard, extendedLength: boolean): Transport {
  return {
    name: "a card",
    extendedLength,
    transmit: (apdu) => card.transmit(apdu),
    reset: () => card.powerOn(),
    close: () => card.powerOff(),
  };
}
