/** Keys of the agent's own records: type << 24 | index. */

import { RECORD_APPLET } from "../lib/records";

/** Transactions whose outcome the world has not been told, or the module not acknowledged: pending.ts. */
export const RECORD_PENDING: u32 = RECORD_APPLET;
/** Tickets, index << 2 | part: ticket-holder.ts. */
export const RECORD_TICKET: u32 = RECORD_APPLET + 0x01000000;
/** Outcomes of authorizations, a ring: outcome-log.ts. */
export const RECORD_OUTCOME: u32 = RECORD_APPLET + 0x02000000;
export const RECORD_OUTCOME_HEAD: u32 = RECORD_OUTCOME + 0x00ffffff;
