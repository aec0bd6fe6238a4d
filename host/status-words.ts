/** Status words as errors for people: what happened, what it means for the money, what to do. */

import * as apdu from "../firmware/protocol/apdu.js";

// What other cards say, and no applet of ours (ISO/IEC 7816-4, 5.6).
const SW_SECURE_MESSAGING_UNSUPPORTED = 0x6882;
const SW_INCORRECT_P1P2 = 0x6a86;

const SENTENCES: ReadonlyMap<number, string> = new Map([
  [
    apdu.SW_MEMORY_FAILURE,
    "The chip's memory failed. What it had stored before is still there. Do not write to it again; move the money off this chip.",
  ],
  [
    apdu.SW_WRONG_LENGTH,
    "The chip refused the length of a command. No money moved. The firmware and this program may be of different versions.",
  ],
  [
    apdu.SW_CHANNEL_UNSUPPORTED,
    "The card has no such logical channel open. No money moved. Open it with MANAGE CHANNEL, or restart the card.",
  ],
  [
    apdu.SW_CHAINING_UNSUPPORTED,
    "The chip does not take a command in several pieces. No money moved. Use a reader for extended-length APDUs.",
  ],
  [apdu.SW_LAST_CHAIN_EXPECTED, "A command that came in pieces was not completed. No money moved. Run it again."],
  [
    apdu.SW_NOT_ALLOWED,
    "There is nothing that this command could do now. No money moved. Look at the state of the device first.",
  ],
  [
    apdu.SW_BAD_SEAL,
    "A message between the chips was altered or came out of turn, and was refused. No money moved. If it goes on, connect again and resume.",
  ],
  [apdu.SW_SECURITY_STATUS, "The chip wants its PIN first. No money moved. Enter the PIN and run the command again."],
  [
    apdu.SW_BLOCKED,
    "The PIN is blocked after too many wrong tries. The money is safe in the chip. Unblock it with the PUK.",
  ],
  [
    apdu.SW_REFERENCE_DATA_UNUSABLE,
    "The PUK is used up or was never set. The money stays in the chip; the agency that issued it can help.",
  ],
  [
    apdu.SW_CONDITIONS,
    "The chip is not in a state that allows this. No money moved. Look at its life cycle and open transactions, then try again.",
  ],
  [apdu.SW_WRONG_DATA, "The chip refused the data of a command. No money moved. Check what was entered."],
  [apdu.SW_FUNCTION_UNSUPPORTED, "This kind of chip does not do that. No money moved. Use a device of the right role."],
  [apdu.SW_NOT_FOUND, "The applet is not on this chip. No money moved. Check which chip is in the reader."],
  [apdu.SW_RECORD_NOT_FOUND, "There is no such record. No money moved."],
  [
    apdu.SW_NOT_ENOUGH_SPACE,
    "The chip's store is full. No money moved. Deposit notes or settle open transactions, which frees space.",
  ],
  [
    apdu.SW_WRONG_P1P2,
    "The chip does not know these parameters of a command. No money moved. The firmware may be of another version.",
  ],
  [
    SW_INCORRECT_P1P2,
    "The chip does not know these parameters of a command. No money moved. The firmware may be of another version.",
  ],
  [apdu.SW_REFERENCED_DATA_NOT_FOUND, "The chip does not have the data that was asked for. No money moved."],
  [
    apdu.SW_INS_UNSUPPORTED,
    "The chip does not know this command. No money moved. Check which applet is selected and its version.",
  ],
  [
    apdu.SW_CLA_UNSUPPORTED,
    "The chip does not know this class of command. No money moved. Check which applet is selected.",
  ],
  [SW_SECURE_MESSAGING_UNSUPPORTED, "The chip does not take secure messaging. No money moved."],
  [
    apdu.SW_UNKNOWN,
    "The chip stopped with an internal fault. What it had stored is safe. Power it off and on, then resume.",
  ],
]);

/** The sentence for a status word, without its number. */
export function statusSentence(status: number, instruction?: number): string {
  if ((status & 0xfff0) === apdu.SW_WARNING_TRIES) {
    const isPuk = instruction === apdu.INS_RESET_RETRY_COUNTER;
    const tries = status & 0xf;
    if (tries === 0 && isPuk)
      return "The PUK is wrong, and no tries are left: it is used up. The money stays in the chip; the agency that issued it can help.";
    if (tries === 0)
      return "The PIN is wrong, and no tries are left: it is blocked. The money is safe. Unblock it with the PUK.";
    const left = `${tries} ${tries === 1 ? "try is" : "tries are"} left`;
    const end = isPuk ? "the PUK is used up for good" : "the PIN is blocked";
    return `The ${isPuk ? "PUK" : "PIN"} is wrong; ${left} before ${end}. No money moved. Try again with care.`;
  }
  if ((status & 0xff00) === apdu.SW_WRONG_LE) {
    return `The card has ${status & 0xff || 256} bytes to give and was asked for more. Ask again with this Le: the command is not run twice.`;
  }
  return (
    SENTENCES.get(status) ?? "The chip answered with a status this program does not know. Check the firmware's version."
  );
}

/** A card answered with anything but success. */
export class StatusWordError extends Error {
  readonly status: number;
  /** Instruction that was refused. */
  readonly instruction: number;

  constructor(status: number, instruction: number) {
    const word = status.toString(16).toUpperCase().padStart(4, "0");
    super(
      `${statusSentence(status, instruction)} (status ${word}, instruction ${instruction.toString(16).padStart(2, "0")})`,
    );
    this.name = "StatusWordError";
    this.status = status;
    this.instruction = instruction;
  }

  /** Tries left of a wrong PIN or PUK; undefined for any other status. */
  get triesLeft(): number | undefined {
    if (this.status === apdu.SW_BLOCKED) return 0;
    return (this.status & 0xfff0) === apdu.SW_WARNING_TRIES ? this.status & 0xf : undefined;
  }
}
