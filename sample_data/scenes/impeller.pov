// Cast aluminium radial impeller.
#include "studio.inc"
Studio(<-1.8, 6.0, -7.0>, <0.0, 0.6, 0>, 37, <0.98, 1.0, 1.03>)

#declare N = 9;

// Back-swept vane as a thin log-spiral strip standing on the disc.
#macro Vane(R0, R1, Sweep, Th, Y)
  prism {
    linear_spline 0.05, Y, 35
    #local I = 0;
    #while (I < 17)
      #local R = R0 + (R1 - R0)*I/16;
      #local A = Sweep*ln(R/R0)/ln(R1/R0) + Th/R;
      <R*cos(A), R*sin(A)>,
      #local I = I + 1;
    #end
    #local I = 16;
    #while (I >= 0)
      #local R = R0 + (R1 - R0)*I/16;
      #local A = Sweep*ln(R/R0)/ln(R1/R0) - Th/R;
      <R*cos(A), R*sin(A)>,
      #local I = I - 1;
    #end
    <R0*cos(Th/R0), R0*sin(Th/R0)>
  }
#end

#declare Hub = difference {
  union {
    lathe {                                 // disc and hub
      cubic_spline 15
      <2.3, -0.1>, <2.3, 0.0>, <2.3, 0.16>, <2.1, 0.19>, <1.7, 0.21>, <1.3, 0.27>, <0.95, 0.42>
      <0.70, 0.68>, <0.57, 1.0>, <0.50, 1.35>, <0.47, 1.58>, <0.40, 1.64>, <0.2, 1.65>, <0.0, 1.65>, <-0.2, 1.65>
    }
  }
  cylinder { -y, y*3, 0.22 }
  box { <-0.06, -1, 0> <0.06, 3, 0.29> }
}

// Shroud line: the vanes are cut to the space below it.
#declare Shroud = lathe {
  linear_spline 13
  <0.0, -0.1>, <2.27, -0.1>, <2.27, 0.56>, <2.10, 0.60>, <1.92, 0.66>, <1.74, 0.75>, <1.58, 0.87>
  <1.45, 1.00>, <1.36, 1.14>, <1.30, 1.28>, <1.27, 1.42>, <0.0, 1.42>, <0.0, -0.1>
}
#macro Cut_Vane(V)
  intersection { object { V } object { Shroud } }
#end
#declare Main = Cut_Vane(Vane(0.48, 2.35, 1.35, 0.04, 1.6))
#declare Splitter = Cut_Vane(Vane(1.15, 2.35, 0.607, 0.036, 1.6))

#declare Impeller = union {
  object { Hub }
  #declare I = 0;
  #while (I < N)
    object { Main rotate y*(360/N)*I }
    object { Splitter rotate y*((360/N)*(I + 0.5) - 42.6) }
    #declare I = I + 1;
  #end
  texture { Cast_Aluminium }
}
object { Impeller rotate y*20 rotate x*-6 translate <0, 0.3, 0> }
cylinder { y*-0.1, y*0.1, 1.2 texture { Dark_Steel } }
