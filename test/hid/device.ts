/** The process whose cards are USB devices. Its parent tells it what to plug in and pull out. */

import { AID_MONEY_MODULE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import type { ElementSort } from "../../host/message-manager.js";
import { shippedApplet } from "../../simulator/applet-files.js";
import { Card } from "../../simulator/card/card.js";
import { Chip } from "../../simulator/chip.js";
import { Element } from "../../simulator/element.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { MachineClock } from "../../simulator/time.js";
import { CardOnUsb } from "../../simulator/usb/uhid.js";
import type { CardBehindUsb, UsbCardOptions } from "../../simulator/usb/usb-card.js";

export type Order =
  /** A new card: one that answers each command with itself, or one with chips, from snapshots. */
  | { readonly kind: "make"; readonly serial: string; readonly chips?: Chips; readonly options?: UsbCardOptions }
  | { readonly kind: "plug" | "pull" | "asked"; readonly serial: string };

export type Chips = Readonly<Record<ElementSort, Uint8Array>>;

export interface Reply {
  /** How many commands the card was asked, of one that echoes. */
  readonly asked?: number;
  readonly fault?: string;
}

const AIDS: Readonly<Record<ElementSort, number>> = { agent: AID_TRUSTED_AGENT, module: AID_MONEY_MODULE };

class EchoCard implements CardBehindUsb {
  asked = 0;

  powerOn(): void {}

  powerOff(): void {}

  transmit(apdu: Uint8Array): Uint8Array {
    this.asked += 1;
    return apdu;
  }
}

function element(sort: ElementSort, snapshot: Uint8Array): Element {
  const chip = new Chip({
    cryptography: sodiumCryptography,
    randomness: new SeededRandomness(sodiumCryptography, sort),
    clock: new MachineClock(),
  });
  const made = new Element(shippedApplet(sort === "agent" ? "trusted-agent" : "money-module"), chip);
  made.restore(snapshot);
  return made;
}

function cardWith(chips: Chips): Card {
  const application = (sort: ElementSort) => ({
    aid: Uint8Array.of(0xf0, 0x54, 0x41, 0x4c, 0x4c, 0x59, AIDS[sort]),
    element: element(sort, chips[sort]),
  });
  return new Card([application("agent"), application("module")]);
}

const devices = new Map<string, { readonly card: CardBehindUsb; readonly usb: CardOnUsb }>();

async function obey(order: Order): Promise<Reply> {
  if (order.kind === "make") {
    const card = order.chips === undefined ? new EchoCard() : cardWith(order.chips);
    devices.set(order.serial, { card, usb: new CardOnUsb(card, order.serial, order.options) });
    return {};
  }
  const device = devices.get(order.serial);
  if (device === undefined) throw new Error(`no device ${order.serial}`);
  if (order.kind === "plug") await device.usb.insert();
  if (order.kind === "pull") await device.usb.remove();
  return device.card instanceof EchoCard ? { asked: device.card.asked } : {};
}

process.on("message", (order: Order) => {
  obey(order).then(
    (reply) => process.send?.(reply),
    (error: unknown) => process.send?.({ fault: error instanceof Error ? (error.stack ?? error.message) : "?" }),
  );
});
