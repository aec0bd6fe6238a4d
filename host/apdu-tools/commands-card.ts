/** Commands that are about the card and the way to it: SELECT, MANAGE CHANNEL, GET RESPONSE (command-table.ts). */

import * as p from "../../firmware/protocol/apdu.js";
import type { CommandEntry } from "./command-table.js";

const SELECT_BY_NAME = 0x04;
const CHANNEL_OPEN = 0x00;
const CHANNEL_CLOSE = 0x80;

export const CARD_COMMANDS: readonly CommandEntry[] = [
  {
    name: "SELECT",
    group: "card",
    cla: p.CLA_ISO,
    ins: p.INS_SELECT,
    purpose: "Chooses an applet by its AID. The applet forgets that its PIN was verified; the date stays.",
    p1p2: "04 00: by name, the first one",
    data: "the AID, 7 bytes",
    answer: "file control information: 6F { 84 AID, A5 { DF01 information } }",
    before: "nothing; also a terminated applet is selected",
    forms: [{ name: "", p1: SELECT_BY_NAME, p2: 0, meaning: "by AID", data: "aid", answer: "fci" }],
    answerLength: "short",
    statuses: [
      { status: p.SW_WRONG_P1P2, why: "P1 is not 04, or P2 not 00" },
      { status: p.SW_NOT_FOUND, why: "no applet of this AID is on the card" },
      { status: p.SW_CONDITIONS, why: "the applet is selected on another channel" },
      { status: p.SW_CHANNEL_UNSUPPORTED, why: "the channel in CLA is not open" },
      { status: p.SW_MEMORY_FAILURE, why: "the store could not be tidied up" },
    ],
  },
  {
    name: "MANAGE CHANNEL",
    group: "card",
    cla: p.CLA_ISO,
    ins: p.INS_MANAGE_CHANNEL,
    purpose: "Opens or closes a logical channel. The card answers it: an applet knows nothing of channels.",
    p1p2: "00 00: open one that the card chooses; 00 NN: open channel NN; 80 NN: close it",
    data: "none",
    answer: "the channel's number, if the card chose it",
    before: "a card with channels; a chip that is alone in a device has none",
    forms: [
      {
        name: "open",
        p1: CHANNEL_OPEN,
        p2: 0,
        meaning: "open a channel of the card's choice",
        data: "none",
        answer: "channel",
      },
      {
        name: "open",
        p1: CHANNEL_OPEN,
        p2: undefined,
        meaning: "open the channel of a number",
        data: "none",
        answer: "none",
      },
      {
        name: "close",
        p1: CHANNEL_CLOSE,
        p2: undefined,
        meaning: "close the channel of a number",
        data: "none",
        answer: "none",
      },
    ],
    answerLength: "short",
    statuses: [
      { status: p.SW_FUNCTION_UNSUPPORTED, why: "no channel is free, or the named one is open" },
      { status: p.SW_CHANNEL_UNSUPPORTED, why: "the channel to be closed is not open" },
      { status: p.SW_WRONG_P1P2, why: "a channel that the card does not have, or the basic one is to be closed" },
    ],
  },
  {
    name: "GET RESPONSE",
    group: "card",
    cla: p.CLA_ISO,
    ins: p.INS_GET_RESPONSE,
    purpose: "Takes the rest of an answer: what 61xx announced. Any other command makes the chip forget the rest.",
    p1p2: "00 00",
    data: "none",
    answer: "as many bytes as Le asks for; 61xx when there are still more",
    before: "the command before was answered with 61xx",
    forms: [{ name: "", p1: 0, p2: 0, meaning: "the rest", data: "none", answer: "rest" }],
    answerLength: "short",
    statuses: [
      { status: p.SW_MORE, why: "more is left" },
      { status: p.SW_CONDITIONS, why: "nothing is left" },
      { status: p.SW_WRONG_LENGTH, why: "it came with data" },
    ],
  },
];
