// program.cpp -- decodes a kernel: the opcode table, operands to rows, names to addresses.
#include "emulator/decoder.hpp"

#include <algorithm>

namespace swage::emulator {
namespace {

constexpr Opcode kOpcodes[] = {
    {"abs", decode_neg_abs},
    {"activemask", decode_activemask},
    {"add", decode_add_sub},
    {"and", decode_logic},
    {"atom", decode_atom},
    {"bar", decode_barrier},
    {"barrier", decode_barrier},
    {"bfe", decode_bit_field},
    {"bfi", decode_bit_field},
    {"bfind", decode_bit_count},
    {"bra", decode_bra},
    {"brev", decode_bit_count},
    {"clz", decode_bit_count},
    {"cnot", decode_not},
    {"copysign", decode_copysign},
    {"cos", decode_approximate},
    {"cvt", decode_cvt},
    {"createpolicy", decode_createpolicy},
    {"cvta", decode_cvta},
    {"div", decode_div},
    {"ex2", decode_approximate},
    {"exit", decode_exit},
    {"fence", decode_fence},
    {"fma", decode_fma},
    {"griddepcontrol", decode_griddepcontrol},
    {"ld", decode_ld},
    {"lg2", decode_approximate},
    {"lop3", decode_lop3},
    {"mad", decode_mad},
    {"mapa", decode_mapa},
    {"max", decode_min_max},
    {"mbarrier", decode_mbarrier},
    {"membar", decode_fence},
    {"min", decode_min_max},
    {"mov", decode_mov},
    {"mul", decode_mul},
    {"nanosleep", decode_nanosleep},
    {"neg", decode_neg_abs},
    {"not", decode_not},
    {"or", decode_logic},
    {"popc", decode_bit_count},
    {"prefetch", decode_prefetch},
    {"prmt", decode_prmt},
    {"rcp", decode_rcp},
    {"red", decode_atom},
    {"rem", decode_rem},
    {"ret", decode_exit},
    {"rsqrt", decode_approximate},
    {"selp", decode_selp},
    {"set", decode_set},
    {"setp", decode_setp},
    {"shf", decode_funnel_shift},
    {"shfl", decode_shfl},
    {"shl", decode_shift},
    {"shr", decode_shift},
    {"sin", decode_approximate},
    {"slct", decode_slct},
    {"sqrt", decode_sqrt},
    {"st", decode_st},
    {"sub", decode_add_sub},
    {"szext", decode_szext},
    {"tanh", decode_approximate},
    {"testp", decode_testp},
    {"trap", decode_trap},
    {"vote", decode_vote},
    {"xor", decode_logic},
};

struct SpecialRow {
  std::string_view name;
  Special special;
};

constexpr SpecialRow kSpecials[] = {
    {"%tid.x", Special::tid_x},
    {"%tid.y", Special::tid_y},
    {"%tid.z", Special::tid_z},
    {"%ntid.x", Special::ntid_x},
    {"%ntid.y", Special::ntid_y},
    {"%ntid.z", Special::ntid_z},
    {"%ctaid.x", Special::ctaid_x},
    {"%ctaid.y", Special::ctaid_y},
    {"%ctaid.z", Special::ctaid_z},
    {"%nctaid.x", Special::nctaid_x},
    {"%nctaid.y", Special::nctaid_y},
    {"%nctaid.z", Special::nctaid_z},
    {"%laneid", Special::laneid},
    {"%warpid", Special::warpid},
    {"%nwarpid", Special::nwarpid},
    {"%smid", Special::smid},
    {"%nsmid", Special::nsmid},
    {"%gridid", Special::gridid},
    {"%lanemask_eq", Special::lanemask_eq},
    {"%lanemask_le", Special::lanemask_le},
    {"%lanemask_lt", Special::lanemask_lt},
    {"%lanemask_ge", Special::lanemask_ge},
    {"%lanemask_gt", Special::lanemask_gt},
    {"%clock", Special::clock},
    {"%clock64", Special::clock},
    {"%globaltimer", Special::globaltimer},
    {"%dynamic_smem_size", Special::dynamic_smem_size},
    {"%total_smem_size", Special::total_smem_size},
};

std::uint64_t mask_of(unsigned size) {
  return size >= 8 ? ~0ULL : (1ULL << size * 8) - 1;
}

template <class Table>
auto find_row(const Table& table, std::string_view name) {
  const auto found = std::find_if(std::begin(table), std::end(table),
                                  [&](const auto& row) { return row.name == name; });
  return found == std::end(table) ? nullptr : &*found;
}

} // namespace

class ProgramBuilder {
public:
  ProgramBuilder(const Module& module, const Kernel& kernel, const Symbols& symbols)
      : version(module.version), architecture(module.architecture), symbols_(symbols) {
    program.kernel = kernel;
    program.rows = static_cast<Row>(kernel.registers.size());
    for (const Parameter& parameter : kernel.parameters)
      addresses_[parameter.name] = {Space::param, parameter.offset};
    for (const Variable& variable : module.variables)
      if (variable.space == Space::shared)
        place(variable, program.shared_bytes);
    for (const Variable& variable : kernel.variables)
      place(variable, variable.space == Space::shared ? program.shared_bytes : program.local_bytes);
    for (const auto& [name, offset] : dynamic_)
      addresses_[name] = {Space::shared, (program.shared_bytes + 15) / 16 * 16 + offset};
  }

  Row new_row() { return program.rows++; }

  Row constant(std::uint64_t bits) {
    const auto [at, fresh] = constants_.try_emplace(bits, 0);
    if (fresh) {
      at->second = new_row();
      program.constants.emplace_back(at->second, bits);
    }
    return at->second;
  }

  Row special(Special which) {
    for (const auto& [row, special] : program.specials)
      if (special == which)
        return row;
    program.specials.emplace_back(new_row(), which);
    return program.specials.back().first;
  }

  std::optional<Decoder::Address> address_of(const std::string& symbol) const {
    if (const auto found = addresses_.find(symbol); found != addresses_.end())
      return found->second;
    if (const auto found = symbols_.find(symbol); found != symbols_.end())
      return Decoder::Address{Space::global, found->second};
    return std::nullopt;
  }

  Program program;
  const unsigned version;
  const unsigned architecture;

private:
  void place(const Variable& variable, std::size_t& end) {
    if (variable.size == 0) {
      dynamic_.emplace_back(variable.name, 0);
      return;
    }
    end = (end + variable.align - 1) / variable.align * variable.align;
    addresses_[variable.name] = {variable.space, end};
    end += variable.size;
  }

  const Symbols& symbols_;
  std::unordered_map<std::string, Decoder::Address> addresses_;
  std::vector<std::pair<std::string, std::uint64_t>> dynamic_;
  std::unordered_map<std::uint64_t, Row> constants_;
};

Decoder::Decoder(ProgramBuilder& builder, const Instruction& instruction, std::uint32_t index)
    : builder_(builder), instruction_(instruction) {
  step.index = index;
  const std::string_view opcode = instruction.opcode;
  std::size_t dot = opcode.find('.');
  root_ = opcode.substr(0, dot);
  while (dot != std::string_view::npos) {
    const std::size_t end = opcode.find('.', dot + 1);
    modifiers_.push_back(
        opcode.substr(dot + 1, end == std::string_view::npos ? end : end - dot - 1));
    dot = end;
  }
  if (instruction.guard) {
    step.guarded = true;
    step.guard = instruction.guard->reg;
    step.guard_negated = instruction.guard->negated;
  }
}

void Decoder::fail(const std::string& message) const {
  throw ParseError(instruction_.line, message + ": '" + instruction_.text + "'");
}

const Operand& Decoder::operand(std::size_t index) const {
  if (index >= instruction_.operands.size())
    fail("too few operands");
  return instruction_.operands[index];
}

bool Decoder::take(std::string_view modifier) {
  const auto found = std::find(modifiers_.begin(), modifiers_.end(), modifier);
  if (found == modifiers_.end())
    return false;
  modifiers_.erase(found);
  return true;
}

int Decoder::take_one_of(std::initializer_list<std::string_view> choices, int otherwise) {
  int position = 0;
  for (const std::string_view choice : choices) {
    if (take(choice))
      return position;
    ++position;
  }
  return otherwise;
}

void Decoder::take_all(std::string_view prefix) {
  std::erase_if(modifiers_, [&](std::string_view modifier) {
    return modifier.substr(0, prefix.size()) == prefix;
  });
}

Type Decoder::take_type() {
  for (const std::string_view modifier : modifiers_) {
    if (const std::optional<Type> type = find_type(modifier)) {
      take(modifier);
      return *type;
    }
  }
  fail("the instruction names no type");
}

Rounding Decoder::take_rounding() {
  return static_cast<Rounding>(take_one_of({"rn", "rz", "rm", "rp", "rna"}, 0));
}

void Decoder::finish() const {
  if (!modifiers_.empty())
    fail("unsupported modifier '." + std::string(modifiers_.front()) + "'");
}

void Decoder::require(unsigned version, unsigned architecture) const {
  if (builder_.version < version || builder_.architecture < architecture)
    fail("the instruction needs PTX ISA " + std::to_string(version / 10) + "." +
         std::to_string(version % 10) + " and sm_" + std::to_string(architecture));
}

void Decoder::expect_operands(std::size_t least, std::size_t most) const {
  if (operand_count() < least || operand_count() > most)
    fail("expected " + std::to_string(least) + " operands, found " +
         std::to_string(operand_count()));
}

unsigned Decoder::width(const Operand& operand) const {
  return operand.kind == OperandKind::reg
             ? size_of(builder_.program.kernel.registers[operand.reg].type)
             : 0;
}

void Decoder::destination(Type type) {
  step.d = destination_row(operand(0), size_of(type), true);
}

Row Decoder::destination_row(const Operand& operand, unsigned least_size, bool exact) {
  if (operand.kind == OperandKind::sink)
    return builder_.new_row();
  if (operand.kind != OperandKind::reg)
    fail("the destination must be a register");
  const Register& reg = builder_.program.kernel.registers[operand.reg];
  const unsigned size = size_of(reg.type);
  if (size < least_size || (exact && size != least_size))
    fail("register '" + reg.name + "' of type ." + std::string(spelling(reg.type)) +
         " does not fit the instruction");
  step.mask = mask_of(size);
  return operand.reg;
}

Row Decoder::source(const Operand& operand, Type type, bool exact) {
  switch (operand.kind) {
  case OperandKind::reg: {
    const Register& reg = builder_.program.kernel.registers[operand.reg];
    if ((exact && size_of(reg.type) != size_of(type)) || size_of(reg.type) < size_of(type) ||
        (reg.type == Type::pred) != (type == Type::pred))
      fail("register '" + reg.name + "' of type ." + std::string(spelling(reg.type)) +
           " does not fit the instruction");
    return operand.reg;
  }
  case OperandKind::special: {
    const SpecialRow* const row = find_row(kSpecials, operand.name);
    if (row == nullptr)
      fail("unknown register '" + operand.name + "'");
    return builder_.special(row->special);
  }
  case OperandKind::integer:
    if (is_float(type) && operand.bits != 0 && type != Type::f16x2 && type != Type::bf16x2)
      fail("an integer literal cannot be a ." + std::string(spelling(type)));
    return constant(operand.bits & mask_of(size_of(type)));
  case OperandKind::real32:
    if (size_of(type) != 4)
      fail("a 32-bit literal cannot be a ." + std::string(spelling(type)));
    return constant(operand.bits);
  case OperandKind::real64:
    if (type == Type::f32)
      return constant(
          std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(operand.bits))));
    if (size_of(type) != 8)
      fail("a 64-bit literal cannot be a ." + std::string(spelling(type)));
    return constant(operand.bits);
  case OperandKind::symbol:
    if (size_of(type) < 4)
      fail("an address cannot be a ." + std::string(spelling(type)));
    return constant(address_of(operand.name).value);
  default: fail("an operand is not a value");
  }
}

void Decoder::same_type(std::size_t sources, Type type) {
  finish();
  expect_operands(sources + 1);
  destination(type);
  Row* const fields[] = {&step.a, &step.b, &step.c};
  for (std::size_t i = 0; i < sources; ++i)
    *fields[i] = source(i + 1, type);
}

Row Decoder::constant(std::uint64_t bits) {
  return builder_.constant(bits);
}

std::uint32_t Decoder::list(const std::vector<Row>& rows) {
  std::vector<Row>& lists = builder_.program.lists;
  const auto first = static_cast<std::uint32_t>(lists.size());
  lists.insert(lists.end(), rows.begin(), rows.end());
  return first;
}

Decoder::Address Decoder::address_of(const std::string& symbol) const {
  const std::optional<Address> address = builder_.address_of(symbol);
  if (!address)
    fail("unknown symbol '" + symbol + "'");
  return *address;
}

std::uint32_t Decoder::label(const std::string& name) const {
  const auto& labels = builder_.program.kernel.labels;
  const auto found = labels.find(name);
  if (found == labels.end())
    fail("unknown label '" + name + "'");
  return found->second;
}

Program& Decoder::program() {
  return builder_.program;
}

Program decode(const Module& module, const Kernel& kernel, const Symbols& symbols) {
  ProgramBuilder builder(module, kernel, symbols);
  Program& program = builder.program;
  // A kernel that runs off its end returns.
  if (program.kernel.instructions.empty() || program.kernel.instructions.back().opcode != "ret")
    program.kernel.instructions.push_back({{}, "ret", {}, 0, "ret"});
  for (std::uint32_t i = 0; i < program.kernel.instructions.size(); ++i) {
    Decoder decoder(builder, program.kernel.instructions[i], i);
    const Opcode* const opcode = find_row(kOpcodes, decoder.root());
    if (opcode == nullptr)
      decoder.fail("unknown instruction");
    opcode->decode(decoder);
    program.steps.push_back(decoder.step);
  }
  return std::move(builder.program);
}

Image::Image(const Module& module, Memory& memory) : memory_(memory) {
  for (const Variable& variable : module.variables) {
    if (variable.space == Space::shared)
      continue;
    storage_.push_back(std::make_unique<std::byte[]>(variable.size + variable.align));
    auto address = std::bit_cast<std::uint64_t>(storage_.back().get());
    address = (address + variable.align - 1) / variable.align * variable.align;
    auto* const data = std::bit_cast<std::byte*>(address);
    std::copy(variable.initial.begin(), variable.initial.end(), data);
    symbols_[variable.name] = address;
    memory_.add(data, variable.size);
  }
  try {
    for (const Kernel& kernel : module.kernels)
      programs_.emplace(kernel.name, decode(module, kernel, symbols_));
  } catch (...) {
    for (const auto& [name, address] : symbols_)
      memory_.remove(address);
    throw;
  }
}

Image::~Image() {
  for (const auto& [name, address] : symbols_)
    memory_.remove(address);
}

const Program* Image::find(std::string_view kernel) const {
  const auto found = programs_.find(kernel);
  return found == programs_.end() ? nullptr : &found->second;
}

} // namespace swage::emulator
