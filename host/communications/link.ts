/**
 * Communications between two transaction devices (fig. 3, 128): a link carries messages and may lose, repeat, delay,
 * reorder or alter them, or break. The elements at its ends expect no better of it.
 */

export interface PeerLink {
  send(message: Uint8Array): void;
  /** Who takes what comes. Messages that came earlier are given at once. */
  onMessage(handler: (message: Uint8Array) => void): void;
  /** Called once when the other end is gone, or at once if it already is. */
  onClose(handler: () => void): void;
  close(): void;
}

/** What came before anyone listened is kept up to this many messages; a link is no mailbox. */
export const UNREAD_MAX = 64;
