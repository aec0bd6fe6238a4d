/** WO 96/41315 fig. 16, Send MM/TA Message: from a money module to its trusted agent, under TA/MM. */

import { testLinkFigure } from "../support/figures-link.js";

testLinkFigure({
  figure: 16,
  message: "B module>agent VERIFY",
  link: ["B agent>module", "B module>agent"],
  from: "module",
  to: "agent",
  receiver: (stage) => stage.B.agent.element,
  steps: { seal: "step 658", carry: "steps 660-664", open: "step 666" },
});
