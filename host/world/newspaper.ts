/** What the sandbox's newspaper sells: articles for tenths of a cent, and one that is for adults. */

export interface Article {
  readonly path: string;
  readonly title: string;
  /** In dollars. */
  readonly price: string;
  /** What a reader has to show beside the money. */
  readonly assertion?: string;
  readonly text: string;
}

export const OVER_21 = "over-21";

export const ARTICLES: readonly Article[] = [
  {
    path: "/tides",
    title: "Tide tables for the harbour",
    price: "0.001",
    text: "High water at 04:12 and 16:38, low water at 10:21 and 22:47. Small craft keep to the east channel until noon.",
  },
  {
    path: "/ferry",
    title: "The ferry runs late again",
    price: "0.002",
    text: "The nine o'clock ferry left at a quarter to ten. The company blames a rope; the rope could not be reached for comment.",
  },
  {
    path: "/tally-sticks",
    title: "How a split stick kept the books",
    price: "0.003",
    text:
      "For six hundred years the Exchequer split a notched stick of hazel in two and gave each side a half. Nobody could cut a notch " +
      "into one that the other did not show. In 1834 the sticks were burnt, and the Houses of Parliament with them.",
  },
  {
    path: "/spirits",
    title: "Seven malts, tasted in order",
    price: "0.004",
    assertion: OVER_21,
    text: "The third was the best and the seventh the last. We should not have kept to the order.",
  },
];
