// Gestures on their way to Python. Of several that come while it draws, Streamlit keeps the last alone:
// so each goes with those before it that were not answered yet, and Python hears every one once.

function gestures(root, answered, trigger) {
  const sent = (root.gestures ??= { from: Math.random().toString(36).slice(2), count: 0, waiting: [] });
  if (answered.from === sent.from) sent.waiting = sent.waiting.filter(([number]) => number > answered.count);
  return (gesture) => {
    sent.waiting.push([++sent.count, gesture]);
    trigger("gesture", { from: sent.from, waiting: [...sent.waiting] });
  };
}

// What was done and is not in the data yet: an answer to something earlier is not to take it back.
const unanswered = (root) => root.gestures.waiting.map(([, gesture]) => gesture);
