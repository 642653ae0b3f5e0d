# bert_isolate(library object symbol...): links the object library `library` into one object file `object`, in which only the
# named symbols are visible to the linker.
#
# For code compiled with its own -m flags. Inline namespaces separate bert's functions of different instruction sets, but not
# the standard library's: std::vector<float>::resize compiled for AVX-512 has the same name as any other, and the linker keeps
# one for the whole program. bert::error's type information stays visible, so that `catch` works across objects.
function(bert_isolate library object)
  # g++ makes static variables of inline functions and templates unique symbols, which objcopy cannot hide; this flag prevents
  # it.
  target_compile_options(${library} PRIVATE -fno-lto $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
  set(keep --keep-global-symbol=_ZTIN4bert5errorE --keep-global-symbol=_ZTSN4bert5errorE)
  foreach(symbol IN LISTS ARGN)
    list(APPEND keep --keep-global-symbol=${symbol})
  endforeach()
  # The linker merges section groups by name even if the name is hidden; --force-group-allocation (GNU ld) dissolves them.
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_LINKER} -r --force-group-allocation -o ${object}.visible $<TARGET_OBJECTS:${library}>
    COMMAND ${CMAKE_OBJCOPY} ${keep} ${object}.visible ${object}
    DEPENDS $<TARGET_OBJECTS:${library}>
    COMMENT "Isolating ${library}"
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
endfunction()
