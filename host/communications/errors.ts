/** What can be wrong with a line, for people: what happened, what it means for the money, what to do. */

import type { Refusal } from "./frames.js";

const OPEN_AGAIN =
  "The money is where it was, or in an open transaction; connect to the other device again and resume.";

/** The address of a line is none. */
export class LineAddressError extends Error {
  constructor(what: string) {
    super(`${what} No money moved. Use an address like ws://127.0.0.1:8080/ or wss://shop.example/.`);
    this.name = "LineAddressError";
  }
}

/** A line could not be opened. Nothing has been said to the other device yet. */
export class LineOpenError extends Error {}

/** Nobody is there. */
export class LineUnreachableError extends LineOpenError {
  constructor(url: string, why: string) {
    super(
      `Nothing answers at ${url} (${why}). No money moved. Check the address and the network, and that the other side is ` +
        "running; then try again.",
    );
    this.name = "LineUnreachableError";
  }
}

/** Somebody is there, and cannot show that it is who the address names. */
export class LineCertificateError extends LineOpenError {
  constructor(url: string, why: string) {
    super(
      `The certificate of ${url} is not good (${why}). No money moved. Check the address and this computer's date; if both ` +
        "are right, ask the other side.",
    );
    this.name = "LineCertificateError";
  }
}

/** Somebody is there who does not know what a line is. */
export class NotTallystickError extends LineOpenError {
  constructor(url: string, what: string) {
    super(`What answers at ${url} is not a Tallystick server (${what}). No money moved. Check the address.`);
    this.name = "NotTallystickError";
  }
}

export class LineVersionError extends LineOpenError {
  constructor(url: string) {
    super(`${url} speaks another version of the line protocol. No money moved. Update the older of the two sides.`);
    this.name = "LineVersionError";
  }
}

export class LineBusyError extends LineOpenError {
  constructor(url: string) {
    super(`${url} has as many connections as it takes. No money moved. Wait a moment and try again.`);
    this.name = "LineBusyError";
  }
}

export class LineRefusedError extends LineOpenError {
  readonly reason: Refusal;

  constructor(url: string, reason: Refusal, purpose: string) {
    const why =
      reason === "purpose"
        ? `does not do "${purpose}". No money moved. Check the address, or ask there for what it offers.`
        : `refused the connection (${reason}). No money moved. Update both sides, then try again.`;
    super(`${url} ${why}`);
    this.name = "LineRefusedError";
    this.reason = reason;
  }
}

/** A line that was open is no more. */
export class LineLostError extends Error {}

/** The connection broke and did not come back in time. */
export class LineBrokenError extends LineLostError {
  constructor(giveUpAfter_ms: number) {
    const waited = `${Math.round(giveUpAfter_ms / 1000)} seconds`;
    super(`The connection broke and did not come back within ${waited}. ${OPEN_AGAIN}`);
    this.name = "LineBrokenError";
  }
}

/** The server does not know the line any more: it was started again, or it waited long enough. */
export class LineForgottenError extends LineLostError {
  constructor() {
    super(`The connection broke, and the other side does not remember it: it was started again. ${OPEN_AGAIN}`);
    this.name = "LineForgottenError";
  }
}

/** The other end does what no other end does. */
export class LineMisusedError extends LineLostError {
  constructor(what: string) {
    super(`The connection was ended, because ${what}. ${OPEN_AGAIN}`);
    this.name = "LineMisusedError";
  }
}
