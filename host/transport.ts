/** How command APDUs reach a card: what a simulator, a PC/SC reader, a USB device and a serial line have in common. */

/** Where a chip's random bytes come from (hardware/boards/board.h): nowhere, a seed for tests, or a source fit for keys. */
export type RandomOrigin = "none" | "seeded" | "fit";

export interface Transport {
  /** What to call this connection in a message for people, for example the reader's name. */
  readonly name: string;
  /** Whether extended-length APDUs pass. Where they do not, commands are chained and answers fetched in parts. */
  readonly extendedLength: boolean;
  /**
   * Carries one command APDU and gives the response APDU. A transport that has its answer at once returns it without a
   * promise: a purchase is some eighty APDUs, and none of them should wait for the event loop.
   */
  transmit(apdu: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Absent where the way to the card has no such question. */
  randomOrigin?(): Promise<RandomOrigin>;
  /** Takes power away and gives it back; whatever the card had not stored is gone. */
  reset(): void | Promise<void>;
  close(): void | Promise<void>;
}

/** The card could not be reached, or its answer was lost: nobody knows whether the command was carried out. */
export class TransportError extends Error {
  /** What happened, in a sentence. */
  readonly what: string;

  constructor(what: string, options?: ErrorOptions) {
    super(
      `${what} The money is where it was, where it was to go, or in an open transaction. Connect the card again, settle what ` +
        'is open with "tally wallet resume", and look at the log before anything is done once more.',
      options,
    );
    this.name = "TransportError";
    this.what = what;
  }
}
