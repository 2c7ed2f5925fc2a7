// nearest.cpp -- bounded edit distance (optimal string alignment).
#include "ir/nearest.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace swage::ir {

namespace {

constexpr std::size_t kMaxCandidates = 2000;
constexpr std::size_t kMaxLength = 128;
constexpr int kEdit = 2; // a change of letter case costs 1

int substitution(char a, char b) noexcept {
  if (a == b)
    return 0;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return lower(a) == lower(b) ? 1 : kEdit;
}

int distance(std::string_view a, std::string_view b) {
  std::array<std::vector<int>, 3> rows; // two back, one back, this one
  for (auto& row : rows)
    row.assign(b.size() + 1, 0);
  for (std::size_t j = 0; j <= b.size(); ++j)
    rows[2][j] = static_cast<int>(j) * kEdit;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::rotate(rows.begin(), rows.begin() + 1, rows.end());
    auto& [two_back, one_back, row] = rows;
    row[0] = static_cast<int>(i) * kEdit;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({one_back[j] + kEdit, row[j - 1] + kEdit,
                         one_back[j - 1] + substitution(a[i - 1], b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], two_back[j - 2] + kEdit);
    }
  }
  return rows[2][b.size()];
}

} // namespace

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates) {
  if (name.empty() || name.size() > kMaxLength)
    return {};
  const std::size_t edits = std::max<std::size_t>(1, name.size() / 3);
  int best = static_cast<int>(edits) * kEdit + 1;
  std::string_view found;
  for (std::string_view candidate : candidates.first(std::min(candidates.size(), kMaxCandidates))) {
    const std::size_t gap = candidate.size() > name.size() ? candidate.size() - name.size()
                                                           : name.size() - candidate.size();
    if (candidate.empty() || gap > edits)
      continue;
    // All letters changed is no misspelling: of a short name, something must be left.
    const int limit = static_cast<int>(std::max(name.size(), candidate.size())) * kEdit;
    const int d = distance(name, candidate);
    if (d < best && d < limit) {
      best = d;
      found = candidate;
    }
  }
  return found;
}

std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates) {
  const std::string_view found = nearest_name(name, candidates);
  return found.empty() ? std::string() : "did you mean '" + std::string(found) + "'?";
}

} // namespace swage::ir
