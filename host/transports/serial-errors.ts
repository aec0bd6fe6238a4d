/** What can go wrong between a host and a chip on a serial line, beside the card's own answers. */

import { asError } from "../as-error.js";
import { TransportError } from "../transport.js";
import { CardsUnavailableError } from "./card-errors.js";

/** The line ended: unplugged, or the program at its other end is gone. */
export class SerialGoneError extends TransportError {
  constructor(name: string, cause?: unknown) {
    super(
      `The line to ${name} ended: it was unplugged, or what was behind it ended.`,
      cause === undefined ? {} : { cause },
    );
    this.name = "SerialGoneError";
  }
}

/** The card has no power, which somebody else took from it: whatever it had not stored is gone. */
export class SerialPowerLostError extends TransportError {
  constructor(name: string) {
    super(`The card on ${name} lost its power.`);
    this.name = "SerialPowerLostError";
  }
}

/** An answer that no board gives. */
export class SerialProtocolError extends TransportError {
  constructor(name: string, what: string) {
    super(`${name} answered in a way that no board of this kind does: ${what}.`);
    this.name = "SerialProtocolError";
  }
}

/** The port is there, and this user may not use it. */
export class SerialForbiddenError extends Error {
  constructor(name: string, cause: unknown) {
    super(
      `${name} may not be used by this user. No money moved. Let your user have it (for serial ports on Debian: ` +
        "adduser YOU dialout, then log in again) and run the command again.",
      { cause },
    );
    this.name = "SerialForbiddenError";
  }
}

/** What is at the path is neither a serial port nor a socket, or cannot be set up as one. */
export class SerialUnusableError extends Error {
  constructor(name: string, cause: unknown) {
    super(
      `${name} cannot be used as a serial line (${asError(cause).message.replace(/^Error:? /, "")}). No money moved. Name a serial port, or the ` +
        "socket of a board in an emulator.",
      { cause },
    );
    this.name = "SerialUnusableError";
  }
}

/** What this computer needs for serial ports is not installed. */
export class SerialUnavailableError extends CardsUnavailableError {
  constructor(cause: unknown) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    const said = isMissing ? "serialport is not installed" : asError(cause).message;
    super(
      `Serial ports cannot be used on this computer (${said}). No money moved. Install npm's serialport ("npm install ` +
        'serialport@13.0.0"); boards on a socket, PC/SC readers and USB devices work without.',
      { cause },
    );
    this.name = "SerialUnavailableError";
  }
}
