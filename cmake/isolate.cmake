# bert_isolate(library object symbol...): `object` becomes one object file of everything in the object library `library`, in which the
# linker sees the named symbols alone.
#
# For code compiled with its own -m flags. Inline namespaces keep bert's functions of one instruction set from another's, but
# not the standard library's: std::vector<float>::resize compiled for AVX-512 bears the name that it bears everywhere, and the
# linker keeps one of them for the whole program. bert::error's type information stays visible, so that its `catch` finds it.
function(bert_isolate library object)
  # Symbols that are unique in a whole process stay so for objcopy; without this flag g++ makes them of all static variables of
  # inline functions and templates.
  target_compile_options(${library} PRIVATE -fno-lto $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
  set(keep --keep-global-symbol=_ZTIN4bert5errorE --keep-global-symbol=_ZTSN4bert5errorE)
  foreach(symbol IN LISTS ARGN)
    list(APPEND keep --keep-global-symbol=${symbol})
  endforeach()
  # Groups of sections are merged by name even where the name is hidden: --force-group-allocation (GNU ld) dissolves them first.
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_LINKER} -r --force-group-allocation -o ${object}.visible $<TARGET_OBJECTS:${library}>
    COMMAND ${CMAKE_OBJCOPY} ${keep} ${object}.visible ${object}
    DEPENDS $<TARGET_OBJECTS:${library}>
    COMMENT "Isolating ${library}"
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
endfunction()
