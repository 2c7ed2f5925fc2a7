// nearest.hpp -- "did you mean": the known name that a misspelt one is nearest to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace swage::ir {

/// The candidate at the smallest edit distance (insertions, deletions, substitutions, swaps of
/// neighbours; letter case counts half), if that is within a third of the name's length; else "".
/// Looks at the first 2000 candidates.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates);

/// "did you mean 'gate'?", or "" if nothing is near.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

} // namespace swage::ir
