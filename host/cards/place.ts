/**
 * Places where a card may be: the slot of a PC/SC reader, a USB device that is a card of its own, a board on a serial line. A place
 * is named by its locator, which people type after `--device` and which stays the same from day to day.
 *
 *     pcsc:ACME Reader 00 00     a reader, by its name in PC/SC
 *     usb:0123456789AB           a USB device, by its serial number
 *     serial:/dev/ttyUSB0        a serial port, or the Unix socket of a board in an emulator, by its path
 */

import type { Transport } from "../transport.js";

/** "busy": another program uses it exclusively. "mute": there is a card, and it does not answer. */
export type PlaceState = "empty" | "card" | "busy" | "mute";

export interface CardPlace {
  readonly locator: string;
  /** For people: the reader's or the device's name. */
  readonly title: string;
  readonly state: PlaceState;
  /** Answer to reset, where the place has one. */
  readonly atr?: Uint8Array;
  /**
   * Takes the card for this process alone, until the transport is closed, and gives it power anew: nothing of an earlier
   * user, a verified PIN above all, is left in it. Closing takes the power away again.
   */
  connect(): Promise<Transport>;
}

/** A reader or device came or went, or a card was put in or taken out. */
export interface PlaceEvent {
  readonly kind: "added" | "removed" | "changed";
  readonly place: CardPlace;
}

/** One way in which cards are connected to this computer. */
export interface CardPlaces {
  /** What is there now. */
  list(): Promise<CardPlace[]>;
  /** The place of a locator, where one can be there that is not listed. Absent: everything is listed. */
  named?(locator: string): CardPlace | undefined;
  /**
   * Tells what is there, as "added", and then every change, also after the service behind it was restarted; `failed` hears
   * what is wrong meanwhile. Ends when `stop` is called.
   */
  watch(changed: (event: PlaceEvent) => void, failed: (error: Error) => void): { readonly stop: () => Promise<void> };
  close(): Promise<void>;
}
