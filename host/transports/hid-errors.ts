/** What can go wrong between a host and a USB device, beside the card's own answers. */

import {
  ERROR_CANCELLED,
  ERROR_CHANNEL_BUSY,
  ERROR_INVALID_CHANNEL,
  ERROR_INVALID_COMMAND,
  ERROR_INVALID_LENGTH,
  ERROR_INVALID_PARAMETER,
  ERROR_INVALID_SEQUENCE,
  ERROR_MESSAGE_TIMEOUT,
} from "../../firmware/usb/ctaphid.js";
import { PRODUCT_ID, VENDOR_ID } from "../../firmware/usb/descriptors.js";
import { asError } from "../as-error.js";
import { TransportError } from "../transport.js";
import { CardsUnavailableError } from "./card-errors.js";

/** Another program has the device for itself. */
export class UsbInUseError extends TransportError {
  constructor(name: string) {
    super(`${name} is in use by another program: end that program, or wait until it is done.`);
    this.name = "UsbInUseError";
  }
}

/** The device was unplugged, or the operating system lets nobody at it any more. */
export class UsbGoneError extends TransportError {
  constructor(name: string, cause?: unknown) {
    super(`${name} was unplugged, or cannot be reached any more.`, cause === undefined ? {} : { cause });
    this.name = "UsbGoneError";
  }
}

/** The device is there and says nothing. */
export class UsbMuteError extends TransportError {
  constructor(name: string) {
    super(`${name} does not answer. Unplug it and plug it in again.`);
    this.name = "UsbMuteError";
  }
}

/** For a while nothing kept other programs away, so that the card may not be as it was left. */
export class UsbSessionLostError extends TransportError {
  constructor(name: string) {
    super(`${name} was open to other programs for a while, because this one was held up or the device restarted.`);
    this.name = "UsbSessionLostError";
  }
}

/** The device does not keep to CTAPHID. */
export class UsbProtocolError extends TransportError {
  constructor(name: string, what: string) {
    super(`${name} answered in a way that no card of this kind does: ${what}.`);
    this.name = "UsbProtocolError";
  }
}

/** The device refused a message in an ERROR frame: the card has not seen it. */
export class UsbRefusedError extends TransportError {
  readonly code: number;

  constructor(name: string, code: number) {
    super(`${name} refused a message: ${MEANINGS.get(code) ?? `error ${code}`}.`);
    this.name = "UsbRefusedError";
    this.code = code;
  }
}

const MEANINGS: ReadonlyMap<number, string> = new Map([
  [ERROR_INVALID_COMMAND, "it does not know the command"],
  [ERROR_INVALID_PARAMETER, "a parameter is not allowed"],
  [ERROR_INVALID_LENGTH, "its length is not allowed"],
  [ERROR_INVALID_SEQUENCE, "a part of it was lost on the way"],
  [ERROR_MESSAGE_TIMEOUT, "its parts came too slowly"],
  [ERROR_CHANNEL_BUSY, "the device is busy"],
  [ERROR_INVALID_CHANNEL, "the connection is not valid any more"],
  [ERROR_CANCELLED, "it was cancelled"],
]);

/** Its owner cancelled a command before the card began with it. Not a lost answer: nobody repeats it. */
export class CommandCancelledError extends Error {
  constructor(name: string) {
    super(`The command was cancelled before ${name} began with it. No money moved by it. Start again if you wish.`);
    this.name = "CommandCancelledError";
  }
}

/** What this computer needs for USB devices is not installed. */
export class UsbUnavailableError extends CardsUnavailableError {
  constructor(cause: unknown) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    const said = isMissing ? "node-hid is not installed" : asError(cause).message;
    super(
      `USB devices cannot be used on this computer (${said}). No money moved. Install npm's node-hid, and on Linux the ` +
        "libraries libusb-1.0 and libudev (Debian: apt-get install libusb-1.0-0 libudev1); PC/SC readers work without.",
      { cause },
    );
    this.name = "UsbUnavailableError";
  }
}

/** Lets whoever sits at the computer use these devices, real or virtual: both are named after vendor and product. */
export const UDEV_RULE = `KERNEL=="hidraw*", KERNELS=="*:${digits(VENDOR_ID)}:${digits(PRODUCT_ID)}.*", TAG+="uaccess"`;

function digits(id: number): string {
  return id.toString(16).toUpperCase().padStart(4, "0");
}

/** The device is there, and this user may not use it. */
export class UsbForbiddenError extends Error {
  constructor(name: string, path: string, cause: unknown) {
    super(
      `${name} may not be used by this user (${path}). No money moved. Let your user have it: a udev rule ` +
        `\`${UDEV_RULE}\`, then plug the device in again.`,
      { cause },
    );
    this.name = "UsbForbiddenError";
  }
}
