// recursion.cpp -- depth-first search over the calls between functions.
#include "ir/recursion.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace swage::ir {

namespace {

enum class Mark : std::uint8_t { unseen, open, done };

struct Frame {
  std::uint32_t function;
  ExprId next; // expression to look at
};

// "f -> g -> f", the middle left out if it is long.
std::string cycle_text(const Program& program, const std::vector<Frame>& path, std::size_t from) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = from; i < path.size() && i < from + kShown; ++i)
    text += fmt::format("{} -> ", program.functions[path[i].function].name.text);
  if (path.size() - from > kShown)
    text += "... -> ";
  return text + std::string(program.functions[path[from].function].name.text);
}

void report(Program& program, const std::vector<Frame>& path, Expr& call,
            Diagnostics& diagnostics) {
  const auto same = [&](const Frame& frame) { return frame.function == call.target; };
  const auto from =
      static_cast<std::size_t>(std::find_if(path.begin(), path.end(), same) - path.begin());
  diagnostics
      .error(call.name,
             fmt::format("function '{}' calls itself: {}", program.functions[call.target].name.text,
                         cycle_text(program, path, from)))
      .help("functions are inlined and cannot recur");
  call.kind = ExprKind::poison;
}

} // namespace

void reject_recursion(Program& program, Diagnostics& diagnostics) {
  std::vector<Mark> marks(program.functions.size(), Mark::unseen);
  std::vector<Frame> path; // no recursion here either: chains of functions can be long
  for (std::uint32_t start = 0; start < marks.size(); ++start) {
    if (marks[start] != Mark::unseen)
      continue;
    marks[start] = Mark::open;
    path.push_back({start, program.functions[start].body.begin});
    while (!path.empty()) {
      Frame& frame = path.back();
      if (frame.next > program.functions[frame.function].body.root) {
        marks[frame.function] = Mark::done;
        path.pop_back();
        continue;
      }
      Expr& expr = program.exprs[frame.next++];
      if (expr.kind != ExprKind::call || expr.ref != Ref::function)
        continue;
      if (marks[expr.target] == Mark::open) {
        report(program, path, expr, diagnostics);
      } else if (marks[expr.target] == Mark::unseen) {
        marks[expr.target] = Mark::open;
        path.push_back({expr.target, program.functions[expr.target].body.begin});
      }
    }
  }
}

} // namespace swage::ir
