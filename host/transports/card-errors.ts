/**
 * What goes wrong with cards and readers. Errors of before the first command say that no money moved; those that lose an
 * answer are TransportErrors, for nobody knows whether the card carried the command out.
 */

import { TransportError } from "../transport.js";

/** One way to cards is closed on this computer: the others may be open. */
export class CardsUnavailableError extends Error {}

/** The native library is not installed. */
export class CardLibraryMissingError extends CardsUnavailableError {
  constructor(cause: unknown) {
    super(
      "This program was installed without its library for card readers (PC/SC), so it sees none. No money moved. " +
        'Install what it is built with, "apt-get install libpcsclite-dev" or the like, then run "npm ci" again.',
      { cause },
    );
    this.name = "CardLibraryMissingError";
  }
}

/** pcscd does not run. */
export class CardServiceMissingError extends CardsUnavailableError {
  constructor(cause?: unknown) {
    super(
      "The service for card readers (pcscd) does not run on this computer, so no reader is seen. No money moved. " +
        'Start it, "systemctl start pcscd" or the like, and run the command again.',
      { cause },
    );
    this.name = "CardServiceMissingError";
  }
}

/** A reader, or a device that is its own reader. */
export class ReaderMissingError extends Error {
  constructor(reader: string, options?: ErrorOptions) {
    super(`${reader} is not connected. No money moved. Connect it and run the command again.`, options);
    this.name = "ReaderMissingError";
  }
}

export class CardAbsentError extends Error {
  constructor(reader: string) {
    super(`There is no card in ${reader}. No money moved. Put it in and run the command again.`);
    this.name = "CardAbsentError";
  }
}

export class CardInUseError extends Error {
  constructor(reader: string) {
    super(
      `Another program is using the card in ${reader}. Nothing was asked of it and no money moved. ` +
        "End that program, or wait until it has done, and run the command again.",
    );
    this.name = "CardInUseError";
  }
}

/** There is a card that does not answer, or speaks no protocol of the reader. */
export class CardMuteError extends Error {
  constructor(reader: string, options?: ErrorOptions) {
    super(
      `The card in ${reader} does not answer. No money moved. Put it in again, the right way round, or plug the device ` +
        "in again; if it stays mute, try another reader or port.",
      options,
    );
    this.name = "CardMuteError";
  }
}

/** It answers, and cannot be worked with. */
export class CardUnusableError extends Error {
  /** `what`: a sentence. */
  constructor(what: string, options?: ErrorOptions) {
    super(
      `${what} Nothing was asked of its card and no money moved. Plug it in again and run the command again; if that ` +
        "does not help, its firmware and this program may be of different versions.",
      options,
    );
    this.name = "CardUnusableError";
  }
}

/** A card of something else: none of our applications is on it. */
export class ForeignCardError extends Error {
  constructor(reader: string) {
    super(
      `The card in ${reader} is not one of electronic money: no application of it is on the card. No money moved. ` +
        "Put the right card in.",
    );
    this.name = "ForeignCardError";
  }
}

// Those that lose an answer.

export class CardRemovedError extends TransportError {
  constructor(reader: string, options?: ErrorOptions) {
    super(`The card was taken out of ${reader}.`, options);
    this.name = "CardRemovedError";
  }
}

/** It forgot the PIN and what it was in the middle of. */
export class CardResetError extends TransportError {
  constructor(reader: string, options?: ErrorOptions) {
    super(`The card in ${reader} was restarted by another program.`, options);
    this.name = "CardResetError";
  }
}

export class ReaderLostError extends TransportError {
  constructor(reader: string, options?: ErrorOptions) {
    super(`The reader ${reader} was taken away.`, options);
    this.name = "ReaderLostError";
  }
}

export class CardServiceLostError extends TransportError {
  constructor(reader: string, options?: ErrorOptions) {
    super(`The service for card readers (pcscd) ended, and ${reader} with it.`, options);
    this.name = "CardServiceLostError";
  }
}

/** Nothing came back within the time that a card may take. */
export class CardTimeoutError extends TransportError {
  constructor(reader: string, waited_ms: number) {
    super(`The card in ${reader} has not answered for ${Math.round(waited_ms / 1000)} seconds.`);
    this.name = "CardTimeoutError";
  }
}

/** Whatever else a reader says of an exchange that failed: most often the card was just taken out. */
export class CardFaultError extends TransportError {
  constructor(reader: string, what: string, options?: ErrorOptions) {
    super(`The exchange with the card in ${reader} broke off; it may have been taken out (${what}).`, options);
    this.name = "CardFaultError";
  }
}
