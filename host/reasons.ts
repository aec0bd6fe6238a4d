/** A sentence for each reason of the firmware: what happened, what it means for the money, what to do. */

import * as reason from "../firmware/protocol/reasons.js";

const UNSAFE_PEER = "Nothing was paid. Do not try again with this device; it does not follow the protocol.";
const RETRY = "No money moved. Try again.";

const SENTENCES: ReadonlyMap<number, string> = new Map([
  [reason.REASON_MALFORMED, `The other side sent something unreadable. ${UNSAFE_PEER}`],
  [
    reason.REASON_TOO_LONG,
    "A message or object was longer than is allowed. No money moved. Try a smaller amount or fewer notes.",
  ],
  [reason.REASON_VERSION, "The two devices speak different versions. No money moved. Update the older one."],
  [reason.REASON_UNEXPECTED, "A message came that does not belong here. No money moved by it. Start again."],
  [reason.REASON_BAD_SEAL, "A message was altered or lost on the way. The money is safe. Connect again and resume."],
  [reason.REASON_ARITHMETIC, "Amounts add up to more than can be counted. No money moved. Use a smaller amount."],
  [reason.REASON_REPEAT, "The last message came again and was answered again. Nothing is wrong."],

  [reason.REASON_BAD_SIGNATURE, `A signature is not genuine. ${UNSAFE_PEER}`],
  [
    reason.REASON_FOREIGN_CERTIFICATE,
    "The other device was not issued by the agencies this one trusts. No money moved. Check whom you deal with.",
  ],
  [
    reason.REASON_CERTIFICATE_EXPIRED,
    "A certificate has expired. The money in the chip is safe. Have the device recertified by its agency.",
  ],
  [
    reason.REASON_CERTIFICATE_NOT_YET_VALID,
    "A certificate is not valid yet. No money moved. Check the date and time of both devices.",
  ],
  [
    reason.REASON_WRONG_ROLE,
    "Devices of these kinds do not deal with each other. No money moved. Connect to the right kind of device.",
  ],
  [
    reason.REASON_BAD_ID,
    "The other device, or a former owner of a note, is on the list of untrusted devices. Nothing was accepted from it. A bank can still redeem genuine notes.",
  ],
  [
    reason.REASON_CLOCK_SKEW,
    "The clocks of the two devices differ too much. No money moved. Set date and time on both.",
  ],
  [reason.REASON_KEY_MISMATCH, `The other device does not own the certificate it showed. ${UNSAFE_PEER}`],
  [reason.REASON_NO_CLOCK, "The chip was not told the date and time. No money moved. Open it with its PIN first."],

  [reason.REASON_AMOUNT_ZERO, "The amount is zero. Nothing was done. Enter an amount."],
  [
    reason.REASON_AMOUNT_TOO_LARGE,
    "The amount is larger than can be paid at all. Nothing was done. Enter a smaller amount.",
  ],
  [reason.REASON_UNKNOWN_UNIT, "This currency or unit is not known here. Nothing was done. Choose another currency."],
  [
    reason.REASON_INSUFFICIENT_FUNDS,
    "There is not enough money in the chip. No money moved. Buy or withdraw some first.",
  ],
  [
    reason.REASON_TOO_MANY_NOTES,
    "The amount needs more notes than one payment carries. No money moved. Pay in two parts, or exchange small notes at a bank.",
  ],
  [
    reason.REASON_NOTE_INVALID,
    "A note was not genuine or not whole. It was not accepted, and nothing else moved. Do not try again with this device.",
  ],
  [
    reason.REASON_NOTE_EXPIRED,
    "A note has expired. It keeps its value: deposit it at a bank until its final redemption date.",
  ],
  [
    reason.REASON_HOP_LIMIT,
    "A note has passed through as many hands as it may. It keeps its value: deposit it or exchange it at a bank.",
  ],
  [reason.REASON_DUPLICATE, "A note was spent twice by someone. It was not accepted here. Report it to a bank."],
  [
    reason.REASON_WRONG_AMOUNT,
    "What came is not the amount agreed upon. Nothing was kept, nothing is lost. Agree on the amount and start again.",
  ],
  [
    reason.REASON_ONLY_TO_TELLER,
    "There is enough money in the chip, but in notes that have expired, passed through too many hands, or once through those of a cheat. No money moved and none is lost. Refresh or deposit them at a bank first.",
  ],
  [
    reason.REASON_PAST_REDEMPTION,
    "The final redemption date of a note has come, so no bank takes it any more. Nothing was paid. Ask its issuer about a claim.",
  ],
  [
    reason.REASON_LIMIT,
    "The amount is above the spending limit that the owner set. No money moved. Pay less, wait for another day, or have the owner raise the limit with the PIN.",
  ],
  [reason.REASON_DECLINED, "The other side declined. No money moved. Ask them why, then start again."],

  [
    reason.REASON_TICKET_INVALID,
    "A credential or card is not genuine or not meant for this device. No money moved. Use another one.",
  ],
  [reason.REASON_TICKET_EXPIRED, "A credential or card has expired. No money moved. Renew it or use another one."],
  [
    reason.REASON_RECEIPT_INVALID,
    "The receipt does not say what was agreed. No money moved. Do not deal with this merchant again before it explains.",
  ],
  [reason.REASON_NOT_CONFIRMED, "It was not confirmed. No money moved and no account was touched."],
  [
    reason.REASON_NOT_AUTHORIZED,
    "The card issuer declined. No money moved and nothing was booked. Use another card or a smaller amount.",
  ],
  [
    reason.REASON_APPROVAL_INVALID,
    "The card network's approval does not match the receipt. No money moved; the reservation on the account is released.",
  ],
  [
    reason.REASON_NO_FUNDING,
    "The merchant could not find enough electronic money. No money moved and no account was touched. Try a smaller amount or another merchant.",
  ],
  [
    reason.REASON_PAYMENT_FAILED,
    "The payment between the money modules was aborted. Each side has what it had before, and the reservation on the account is released. Try again.",
  ],

  [
    reason.REASON_STORE_FULL,
    "The chip's store is full. No money moved. Deposit notes or settle open transactions, which frees space.",
  ],
  [
    reason.REASON_STORE_FAILURE,
    "The chip's memory failed or was tampered with. The chip has locked itself. Its issuer can help with claims.",
  ],
  [
    reason.REASON_ROLLED_BACK,
    "The chip's memory is an older copy of itself. It was refused so that nothing is spent twice. Return the chip to its issuer.",
  ],
  [reason.REASON_NOT_FOUND, "There is nothing like that in the chip. Nothing was done. Look at its lists again."],
  [
    reason.REASON_PENDING,
    "An earlier transaction with this device is still open. The money of both is safe. Resume that transaction first.",
  ],
  [reason.REASON_BUSY, `The device is in the middle of something else. ${RETRY}`],
  [
    reason.REASON_TIMEOUT,
    "The other side did not answer. If the payment was already under way it can be resumed; look at the open transactions and connect again.",
  ],
  [
    reason.REASON_NOT_PAIRED,
    "This chip's partner is missing or is another one. The money is safe in its chip. Connect the two chips that belong together.",
  ],
  [
    reason.REASON_PEER,
    "The other side ended the transaction without saying why. No money moved, or it can be resumed; look at the open transactions.",
  ],
  [reason.REASON_CANCELLED, "It was cancelled. No money moved."],
  [reason.REASON_NOT_PERMITTED, "This kind of device cannot do that. No money moved. Use a device of the right role."],

  [
    reason.REASON_PURSE_WAITING,
    "The tokens of this purse have not come yet. Nothing was spent. Fetch them, from the seller or the bank, and install them.",
  ],
  [
    reason.REASON_PURSE_OPEN,
    "The tokens of this purse are in the chip and still count. Nothing was given up. Close the purse and have it refunded first.",
  ],
  [
    reason.REASON_PURSE_CLOSED,
    "This purse is closed and pays nothing any more. What was not spent is refunded. Ask the bank for the refund, and for a new purse.",
  ],
  [
    reason.REASON_PURSE_EXISTS,
    "The chip has an open purse for this seller already. Nothing was asked of the bank. Spend that one, or ask again and let the bank take it back first.",
  ],
  [
    reason.REASON_PURSE_DIFFERS,
    "What the bank sent is not for what this purse asked. Nothing was taken, and no token was spent. Ask the bank.",
  ],
  [
    reason.REASON_TOO_MANY_TOKENS,
    "One purse does not hold so many tokens. Nothing was asked of the bank. Ask for fewer, or for some of greater value.",
  ],
  [
    reason.REASON_SPENDING_OVER,
    "The last day on which this purse can be spent is over. Nothing was spent. Close it and have what is left refunded.",
  ],
  [
    reason.REASON_NOT_EXACT,
    "No tokens that are left make this amount exactly, and a purse gets no change. Nothing was spent. Pay another amount, or pay in another way.",
  ],
  [
    reason.REASON_ALLOWANCE,
    "The amount is above what the owner lets this purse pay without the PIN. Nothing was spent. Pay less, or give the PIN.",
  ],
  [
    reason.REASON_OTHER_SELLER,
    "The order is for another seller than this purse. Nothing was spent. Use a purse for that seller.",
  ],
  [
    reason.REASON_OTHER_ASSERTION,
    "The order asks for another assertion than this purse makes. Nothing was shown. Use a purse that makes it.",
  ],
]);

/** The sentence for a reason; one that is not known says so and stays useful. */
export function reasonSentence(code: number): string {
  return (
    SENTENCES.get(code) ??
    `The chip gave the reason ${code}, which this program does not know. Look at balance and open transactions before you try again.`
  );
}

/** An element or its peer refused or aborted. */
export class ReasonError extends Error {
  readonly reason: number;
  /** Whether the other side aborted. */
  readonly byPeer: boolean;

  constructor(code: number, byPeer = false) {
    super(`${reasonSentence(code)} (reason ${code}${byPeer ? ", by the other side" : ""})`);
    this.name = "ReasonError";
    this.reason = code;
    this.byPeer = byPeer;
  }
}
